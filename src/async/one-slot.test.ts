import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { createOneSlot } from './one-slot.ts';

const value = <T>(given: T) => ({ value: given, done: false });
const done = { value: undefined, done: true };

describe('a one-slot iterator', () => {
  it('stores only the newest unread value of each key', async () => {
    const slot = createOneSlot<string, number>();
    for (let n = 1; n <= 1_000; n += 1) slot.put('a', n);
    expect(slot.peek('a')).toBe(1_000);
    expect(await slot.next()).toEqual(value(1_000));
    expect(slot.peek('a')).toBeUndefined();
    slot.put('a', 1_001);
    expect(await slot.next()).toEqual(value(1_001));
  });

  it('returns values in the order in which their keys were first put', async () => {
    const slot = createOneSlot<string, string>();
    for (const [key, text] of [
      ['a', 'a1'],
      ['b', 'b1'],
      ['a', 'a2'],
      ['c', 'c1'],
      ['b', 'b2'],
    ] as const)
      slot.put(key, text);
    expect([await slot.next(), await slot.next(), await slot.next()]).toEqual([
      value('a2'),
      value('b2'),
      value('c1'),
    ]);
  });

  it('gives values to waiting readers in the order in which the readers began to wait', async () => {
    const slot = createOneSlot<string, number>();
    const reads = [slot.next(), slot.next(), slot.next()];
    slot.put('a', 1);
    slot.put('a', 2);
    expect(slot.peek('a')).toBeUndefined();
    slot.put('b', 3);
    slot.put('a', 4);
    expect(await Promise.all(reads)).toEqual([value(1), value(2), value(3)]);
    expect(await slot.next()).toEqual(value(4));
  });

  it('ends pending reads, drops unread values and ignores later values after `return` is called', async () => {
    const onEnd = vi.fn();
    const slot = createOneSlot<string, number>({ onEnd });
    const reads = [slot.next(), slot.next()];
    await slot.return();
    expect(await Promise.all(reads)).toEqual([done, done]);
    slot.put('a', 1);
    expect(slot.peek('a')).toBeUndefined();
    expect(await slot.next()).toEqual(done);
    await slot.return();
    slot.fail(new Error('too late'));
    expect(await slot.next()).toEqual(done);
    expect(onEnd).toHaveBeenCalledTimes(1);

    const full = createOneSlot<string, number>();
    full.put('a', 1);
    await full.return();
    expect(await full.next()).toEqual(done);
  });

  it('rejects exactly one read after `fail` is called, which is the pending read or the next read', async () => {
    const error = new Error('gone');
    for (const isPending of [true, false]) {
      const onEnd = vi.fn();
      const slot = createOneSlot<string, number>({ onEnd });
      const pending = isPending ? slot.next() : undefined;
      const also = isPending ? slot.next() : undefined;
      if (!isPending) slot.put('a', 1);
      slot.fail(error);
      slot.fail(new Error('again'));
      await expect(pending ?? slot.next()).rejects.toBe(error);
      if (also) expect(await also).toEqual(done);
      expect(await slot.next()).toEqual(done);
      expect(onEnd).toHaveBeenCalledTimes(1);
    }
  });

  it('is done after `return` is called, even if no read has received an earlier failure', async () => {
    const slot = createOneSlot<string, number>();
    slot.fail(new Error('gone'));
    await slot.return();
    expect(await slot.next()).toEqual(done);
  });

  it('calls `onEnd` before a pending read ends, so that the subscription ends first', async () => {
    const order: string[] = [];
    const slot = createOneSlot<string, number>({ onEnd: () => order.push('end') });
    const read = slot.next().then(() => order.push('read'));
    await slot.return();
    await read;
    expect(order).toEqual(['end', 'read']);
  });

  it('calls `onEnd` when a `for await` loop over the iterator breaks', async () => {
    const onEnd = vi.fn();
    const slot = createOneSlot<string, number>({ onEnd });
    slot.put('a', 1);
    for await (const item of slot) {
      expect(item).toBe(1);
      break;
    }
    expect(onEnd).toHaveBeenCalledTimes(1);
  });

  it('never loses the newest value of a key for any order of puts and reads', async () => {
    const operation = fc.oneof(fc.constant('read' as const), fc.constantFrom('a', 'b', 'c'));
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 60 }), async (operations) => {
        const slot = createOneSlot<string, { readonly key: string; readonly n: number }>();
        const newest = new Map<string, number>();
        const read = new Map<string, number>();
        const reads: Promise<void>[] = [];
        operations.forEach((what, n) => {
          if (what !== 'read') {
            newest.set(what, n);
            slot.put(what, { key: what, n });
            return;
          }
          reads.push(
            slot.next().then(({ value: got, done: over }) => {
              if (over) return;
              expect(got.n).toBeGreaterThan(read.get(got.key) ?? -1);
              read.set(got.key, got.n);
            }),
          );
        });
        while ([...newest.keys()].some((key) => slot.peek(key))) {
          const { value: got } = await slot.next();
          read.set(got.key, got.n);
        }
        await slot.return();
        await Promise.all(reads);
        expect(read).toEqual(newest);
      }),
    );
  });
});

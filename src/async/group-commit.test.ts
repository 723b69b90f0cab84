import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../domain/error.ts';
import { createGroupCommit } from './group-commit.ts';

/** A commit that records its batches and ends when the test calls `end`. */
function createCommits() {
  const batches: (readonly number[])[] = [];
  const ends: { resolve(): void; reject(error: unknown): void }[] = [];
  return {
    batches,
    commit: (items: readonly number[]) =>
      new Promise<void>((resolve, reject) => {
        batches.push(items);
        ends.push({ resolve, reject });
      }),
    async end(error?: unknown) {
      const end = ends.shift();
      if (error === undefined) end?.resolve();
      else end?.reject(error);
      await nextTurn();
    },
  };
}

const unavailable = new AppError('UNAVAILABLE');

describe('group commit', () => {
  it('begins the commit of a single call on the next turn of the event loop', async () => {
    const { commit, batches } = createCommits();
    const group = createGroupCommit(commit);
    void group.add([1]);
    expect(batches).toEqual([]);
    await nextTurn();
    expect(batches).toEqual([[1]]);
  });

  it('puts the calls of one turn of the event loop into one commit, and later calls into the next commit', async () => {
    const { commit, batches, end } = createCommits();
    const group = createGroupCommit(commit);
    const calls = [group.add([1, 2]), group.add([3])];
    await nextTurn();
    calls.push(group.add([4]));
    await nextTurn();
    calls.push(group.add([5, 6]));
    expect(batches).toEqual([[1, 2, 3]]);
    await end();
    await Promise.all(calls.slice(0, 2));
    expect(batches).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    await end();
    await Promise.all(calls);
  });

  it('never runs two commits at the same time', async () => {
    let underWay = 0;
    const group = createGroupCommit<number>(
      async () => {
        underWay += 1;
        expect(underWay).toBe(1);
        await nextTurn();
        underWay -= 1;
      },
      { maxItems: 7 },
    );
    await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        for (let round = 0; round < 5; round += 1) {
          await group.add([n]);
          if (n % 3 === 0) await nextTurn();
        }
      }),
    );
  });

  it('resolves a call after its commit, and an empty call at once', async () => {
    const { commit, end } = createCommits();
    const group = createGroupCommit(commit);
    let resolved = false;
    const call = group.add([1]).then(() => {
      resolved = true;
    });
    await group.add([]);
    await nextTurn();
    await nextTurn();
    expect(resolved).toBe(false);
    await end();
    await call;
  });

  it('rejects only the call that contains an item that cannot be stored', async () => {
    const committed: number[] = [];
    const bad = new Error('bad item');
    const group = createGroupCommit<number>(async (items) => {
      if (items.some((item) => item < 0)) throw bad;
      committed.push(...items);
    });
    const calls = [[1, 2], [3], [-4, 5], [6], [7], [-8], [9, 10]].map((items) => group.add(items));
    const results = await Promise.allSettled(calls);
    expect(results.map(({ status }) => status === 'fulfilled')).toEqual([
      true,
      true,
      false,
      true,
      true,
      false,
      true,
    ]);
    expect(committed).toEqual([1, 2, 3, 6, 7, 9, 10]);
  });

  it('rejects all calls of a commit if the backend is unreachable, without trying the halves of the commit', async () => {
    const { commit, batches, end } = createCommits();
    const group = createGroupCommit(commit);
    const calls = Promise.allSettled([group.add([1]), group.add([2])]);
    await nextTurn();
    const later = group.add([3]);
    await end(unavailable);
    expect(await calls).toEqual([
      { status: 'rejected', reason: unavailable },
      { status: 'rejected', reason: unavailable },
    ]);
    expect(batches).toEqual([[1, 2], [3]]);
    await end();
    await later;
  });

  it('refuses a call with UNAVAILABLE if the queue is full, and accepts calls again later', async () => {
    const { commit, end } = createCommits();
    const group = createGroupCommit(commit, { maxItems: 2, maxWaiting: 4 });
    const first = group.add([1, 2]);
    await nextTurn();
    const waiting = [group.add([3, 4]), group.add([5, 6])];
    await expect(group.add([7])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await end();
    await first;
    const last = group.add([8]);
    await end();
    await end();
    await end();
    await Promise.all([...waiting, last]);
  });

  it('is idle if no call waits and no commit runs', async () => {
    const { commit, end } = createCommits();
    const group = createGroupCommit(commit);
    await group.idle();
    const calls = [group.add([1])];
    let idle = false;
    const idling = group.idle().then(() => {
      idle = true;
    });
    await nextTurn();
    calls.push(group.add([2]));
    await end();
    expect(idle).toBe(false);
    await end();
    await idling;
    await Promise.all(calls);
  });

  it('commits every valid call once, in the order of the calls and in batches of limited size', async () => {
    const call = fc.record({
      size: fc.integer({ min: 1, max: 12 }),
      bad: fc.nat(9).map((n) => n === 0),
      wait: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 40 }), async (calls) => {
        const committed: number[] = [];
        const group = createGroupCommit<{ readonly n: number; readonly bad: boolean }>(
          async (items) => {
            const ofOneCall = new Set(items.map(({ n }) => n)).size === 1;
            if (!ofOneCall) expect(items.length).toBeLessThanOrEqual(10);
            await nextTurn();
            if (items.some(({ bad }) => bad)) throw new Error('bad item');
            committed.push(...items.map(({ n }) => n));
          },
          { maxItems: 10 },
        );
        const results: Promise<PromiseSettledResult<void>>[] = [];
        for (const [n, { size, bad, wait }] of calls.entries()) {
          const added = group.add(Array.from({ length: size }, () => ({ n, bad })));
          results.push(Promise.allSettled([added]).then(([result]) => result));
          if (wait) await nextTurn();
        }
        const settled = await Promise.all(results);
        expect(settled.map(({ status }) => status === 'rejected')).toEqual(calls.map(({ bad }) => bad));
        expect(committed).toEqual(
          calls.flatMap(({ size, bad }, n) => (bad ? [] : Array.from({ length: size }, () => n))),
        );
      }),
      { numRuns: 50 },
    );
  });
});

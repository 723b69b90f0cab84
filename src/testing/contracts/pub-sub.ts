import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Message, PubSub } from '../../ports/pub-sub.ts';

/** A pub/sub to test, as several processes have it. */
export interface PubSubUnderTest {
  /** The pub/sub of a process; without `acrossProcesses` always the same. Closed with the rest. */
  open(): Promise<PubSub>;
  /** Makes messages possible to miss, as a lost connection does; only with `losesConnections`. */
  cutConnections(): Promise<void>;
  close(): Promise<void>;
}

/** Where adapters honestly differ; false needs its reason. */
export interface Features {
  readonly acrossProcesses: boolean;
  readonly losesConnections: boolean;
}

const waiting = { timeout: 10_000, interval: 5 };

/** What every pub/sub promises: one test per sentence of the port. */
export function pubSubContract(open: () => Promise<PubSubUnderTest>, features: Features): void {
  let underTest: PubSubUnderTest;
  let publisher: PubSub;
  let subscriber: PubSub;
  beforeEach(async () => {
    underTest = await open();
    publisher = await underTest.open();
    subscriber = await underTest.open();
  });
  afterEach(() => underTest.close());

  async function collect(...topics: string[]) {
    const messages: Message[] = [];
    const { confirmed, end } = subscriber.subscribe(topics, (message) => messages.push(message));
    await confirmed;
    return { messages, unsubscribe: end };
  }
  const message = (topic: string, value: string | number): Message => ({ topic, value: String(value) });

  describe('publish and subscribe', () => {
    it("brings every message published after the subscription resolved, one topic's in order", async () => {
      for (let round = 0; round < 20; round += 1) {
        const { messages, unsubscribe } = await collect(`topic-${round}`);
        const sent = Array.from({ length: 10 }, (_, n) => message(`topic-${round}`, n));
        await publisher.publish(sent.slice(0, 5));
        for (const one of sent.slice(5)) await publisher.publish([one]);
        await vi.waitFor(() => expect(messages).toEqual(sent), waiting);
        unsubscribe();
      }
    });

    it('brings a topic only to those subscribed to it, to each of them once', async () => {
      const a = await collect('a');
      const both = await collect('a', 'b', 'a');
      const other = await collect('ab');
      await publisher.publish([message('a', 1), message('b', 2), message('c', 3), message('ab', 4)]);
      await vi.waitFor(() => expect(other.messages).toEqual([message('ab', 4)]), waiting);
      await vi.waitFor(() => expect(both.messages).toHaveLength(2), waiting);
      expect(a.messages).toEqual([message('a', 1)]);
      expect(both.messages).toEqual(expect.arrayContaining([message('a', 1), message('b', 2)]));
    });

    it('keeps no history', async () => {
      await publisher.publish([message('a', 'before')]);
      const { messages } = await collect('a');
      await publisher.publish([message('a', 'after')]);
      await vi.waitFor(() => expect(messages).toEqual([message('a', 'after')]), waiting);
    });

    it('takes a message nobody listens to, and no message', async () => {
      await publisher.publish([message('nobody', 1)]);
      await publisher.publish([]);
    });

    it('carries any text in topics and values', async () => {
      const texts = ['', ' ', 'a:b*c?[d]', '\u0000', '\u{1F600}', 'x'.repeat(100_000), '{"a":"\\u2028"}'];
      for (const text of texts) {
        const { messages, unsubscribe } = await collect(`t${text}`);
        await publisher.publish([message(`t${text}`, text)]);
        await vi.waitFor(() => expect(messages).toEqual([message(`t${text}`, text)]), waiting);
        unsubscribe();
      }
    });

    it('serves one listener that is subscribed twice as two subscriptions', async () => {
      const messages: Message[] = [];
      const listener = (one: Message) => void messages.push(one);
      const [first, second] = [subscriber.subscribe(['a'], listener), subscriber.subscribe(['a'], listener)];
      await Promise.all([first.confirmed, second.confirmed]);
      await publisher.publish([message('a', 1)]);
      await vi.waitFor(() => expect(messages).toHaveLength(2), waiting);
      first.end();
      await publisher.publish([message('a', 2)]);
      await vi.waitFor(() => expect(messages).toHaveLength(3), waiting);
    });
  });

  describe('unsubscribe', () => {
    it('ends the calls at once, also twice, and leaves others alone', async () => {
      const a = await collect('a');
      const b = await collect('a');
      a.unsubscribe();
      a.unsubscribe();
      await publisher.publish([message('a', 1)]);
      await vi.waitFor(() => expect(b.messages).toHaveLength(1), waiting);
      const c = await collect('a');
      a.unsubscribe();
      await publisher.publish([message('a', 2)]);
      await vi.waitFor(() => expect(c.messages).toHaveLength(1), waiting);
      expect(a.messages).toEqual([]);
    });

    it('holds before the subscription is confirmed', async () => {
      const messages: Message[] = [];
      subscriber.subscribe(['a'], (message) => messages.push(message)).end();
      const b = await collect('a');
      await publisher.publish([message('a', 1)]);
      await vi.waitFor(() => expect(b.messages).toHaveLength(1), waiting);
      expect(messages).toEqual([]);
    });

    it('holds from within a listener, for itself and for those that would come after it', async () => {
      const calls: string[] = [];
      const ends: (() => void)[] = [];
      for (const name of ['first', 'second']) {
        const { confirmed, end } = subscriber.subscribe(['a'], () => {
          calls.push(name);
          for (const end of ends) end();
        });
        await confirmed;
        ends.push(end);
      }
      const witness = await collect('a');
      await publisher.publish([message('a', 1), message('a', 2)]);
      await vi.waitFor(() => expect(witness.messages).toHaveLength(2), waiting);
      expect(calls).toHaveLength(1);
    });
  });

  describe('gaps and the end', () => {
    it('tells when messages may have been missed, until that is unsubscribed', async ({ skip }) => {
      skip(!features.losesConnections, 'this pub/sub has no connection to lose');
      const gap = vi.fn();
      const gone = vi.fn();
      subscriber.onGap(gap);
      subscriber.onGap(gone)();
      const { messages } = await collect('a');
      expect(gap).not.toHaveBeenCalled();
      await underTest.cutConnections();
      await vi.waitFor(() => expect(gap).toHaveBeenCalled(), waiting);
      expect(gone).not.toHaveBeenCalled();
      await vi.waitFor(async () => {
        await publisher.publish([message('a', 1)]);
        expect(messages.length).toBeGreaterThan(0);
      }, waiting);
    });

    it('carries messages from one process to another', async ({ skip }) => {
      skip(!features.acrossProcesses, 'this pub/sub stays inside a process');
      expect(publisher).not.toBe(subscriber);
      const { messages } = await collect('a');
      await publisher.publish([message('a', 1)]);
      await vi.waitFor(() => expect(messages).toHaveLength(1), waiting);
    });

    it('brings nothing after close', async () => {
      const { messages, unsubscribe } = await collect('a');
      await subscriber.close();
      await publisher.publish([message('a', 1)]).catch(() => {});
      unsubscribe();
      expect(messages).toEqual([]);
    });
  });
}

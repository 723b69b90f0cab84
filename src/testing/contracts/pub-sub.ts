import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Message, PubSub } from '../../ports/pub-sub.ts';

/** A pub/sub to test, which several processes can open. */
export interface PubSubUnderTest {
  /**
   * Opens the pub/sub for another process. Without `acrossProcesses`, every call returns the same pub/sub.
   * `close` also closes every opened pub/sub.
   */
  open(): Promise<PubSub>;
  /**
   * Cuts the connections, so that subscribers may miss messages. Only for a pub/sub with `losesConnections`.
   */
  cutConnections(): Promise<void>;
  close(): Promise<void>;
}

/** The features in which adapters may differ. A feature that is false needs a reason. */
export interface Features {
  readonly acrossProcesses: boolean;
  readonly losesConnections: boolean;
}

const waiting = { timeout: 10_000, interval: 5 };

/**
 * Tests the guarantees that every pub/sub gives. Each test checks a sentence of the comments in
 * ports/pub-sub.ts.
 */
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
    it('delivers every message published after the confirmation, in order for each topic', async () => {
      for (let round = 0; round < 20; round += 1) {
        const { messages, unsubscribe } = await collect(`topic-${round}`);
        const sent = Array.from({ length: 10 }, (_, n) => message(`topic-${round}`, n));
        await publisher.publish(sent.slice(0, 5));
        for (const one of sent.slice(5)) await publisher.publish([one]);
        await vi.waitFor(() => expect(messages).toEqual(sent), waiting);
        unsubscribe();
      }
    });

    it('delivers a message only to the subscribers of its topic, once to each', async () => {
      const a = await collect('a');
      const both = await collect('a', 'b', 'a');
      const other = await collect('ab');
      await publisher.publish([message('a', 1), message('b', 2), message('c', 3), message('ab', 4)]);
      await vi.waitFor(() => expect(other.messages).toEqual([message('ab', 4)]), waiting);
      await vi.waitFor(() => expect(both.messages).toHaveLength(2), waiting);
      expect(a.messages).toEqual([message('a', 1)]);
      expect(both.messages).toEqual(expect.arrayContaining([message('a', 1), message('b', 2)]));
    });

    it('does not deliver messages that were published before the subscription', async () => {
      await publisher.publish([message('a', 'before')]);
      const { messages } = await collect('a');
      await publisher.publish([message('a', 'after')]);
      await vi.waitFor(() => expect(messages).toEqual([message('a', 'after')]), waiting);
    });

    it('accepts a message for a topic without listeners, and an empty list of messages', async () => {
      await publisher.publish([message('unheard', 1)]);
      await publisher.publish([]);
    });

    it('delivers topics and values with any text', async () => {
      const texts = ['', ' ', 'a:b*c?[d]', '\u0000', '\u{1F600}', 'x'.repeat(100_000), '{"a":"\\u2028"}'];
      for (const text of texts) {
        const { messages, unsubscribe } = await collect(`t${text}`);
        await publisher.publish([message(`t${text}`, text)]);
        await vi.waitFor(() => expect(messages).toEqual([message(`t${text}`, text)]), waiting);
        unsubscribe();
      }
    });

    it('treats one listener that subscribes twice as two subscriptions', async () => {
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
    it('stops the calls of the listener at once, may be called twice, and does not affect other subscriptions', async () => {
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

    it('takes effect before the subscription is confirmed', async () => {
      const messages: Message[] = [];
      subscriber.subscribe(['a'], (message) => messages.push(message)).end();
      const b = await collect('a');
      await publisher.publish([message('a', 1)]);
      await vi.waitFor(() => expect(b.messages).toHaveLength(1), waiting);
      expect(messages).toEqual([]);
    });

    it('takes effect inside a listener, for that listener and for later listeners of the same message', async () => {
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

  describe('a connection', () => {
    it('calls the gap listener when the subscriber may have missed messages, until the listener unsubscribes', async ({
      skip,
    }) => {
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

    it('delivers messages from one process to another process', async ({ skip }) => {
      skip(!features.acrossProcesses, 'this pub/sub stays inside a process');
      expect(publisher).not.toBe(subscriber);
      const { messages } = await collect('a');
      await publisher.publish([message('a', 1)]);
      await vi.waitFor(() => expect(messages).toHaveLength(1), waiting);
    });

    it('delivers nothing after close', async () => {
      const { messages, unsubscribe } = await collect('a');
      await subscriber.close();
      await publisher.publish([message('a', 1)]).catch(() => {});
      unsubscribe();
      expect(messages).toEqual([]);
    });
  });
}

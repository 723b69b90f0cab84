import { setTimeout as delay } from 'node:timers/promises';
import { CompressionTypes, type Kafka, type Message, Partitioners, type Producer } from 'kafkajs';
import { withDeadline } from '../../async/deadline.ts';
import { AppError } from '../../domain/error.ts';
import { isTooLarge, unavailable } from './error.ts';
import type { Settings } from './options.ts';

export interface OutgoingMessage {
  readonly topic: string;
  readonly message: Message;
}

/** Writes messages in order and answers within a bounded time. */
export interface MessageProducer {
  /**
   * Resolves when Kafka has stored all messages. Only one call at a time is allowed. Rejects with UNAVAILABLE
   * if Kafka has not confirmed the messages after `timeoutMs`, and with BAD_USER_INPUT if a message is too
   * large for its topic. In both cases Kafka may have stored some of the messages.
   */
  send(messages: readonly OutgoingMessage[], timeoutMs: number): Promise<void>;
  /** Closes the connections within a bounded time. */
  close(): Promise<void>;
}

/**
 * Creates an idempotent producer that is replaced after every failure. After a failed request, a producer of
 * kafkajs uses the sequence numbers of that request again. If Kafka has stored the request despite the
 * failure, Kafka takes the next records for duplicates and silently drops them.
 */
export function createMessageProducer(
  { connect }: { readonly connect: () => Kafka },
  { compression }: Settings,
): MessageProducer {
  let current: Connected | undefined;

  async function attempt(messages: readonly OutgoingMessage[], timeoutMs: number): Promise<void> {
    current ??= openProducer(connect());
    const { producer, connected, abandon } = current;
    const sending = connected.then(() =>
      producer.sendBatch({
        acks: -1,
        compression: compression === 'gzip' ? CompressionTypes.GZIP : CompressionTypes.None,
        topicMessages: byTopic(messages),
      }),
    );
    try {
      await withDeadline(sending, timeoutMs);
    } catch (error) {
      current = undefined;
      abandon(sending);
      throw error;
    }
  }

  async function send(messages: readonly OutgoingMessage[], timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    const remainingMs = () => deadline - performance.now();
    for (;;) {
      try {
        return await attempt(messages, remainingMs());
      } catch (cause) {
        if (isTooLarge(cause)) {
          // Kafka's limit applies to all records of a partition together. So several messages are sent again
          // in two halves.
          if (messages.length === 1)
            throw new AppError('BAD_USER_INPUT', 'The event is too large for its topic in Kafka.', { cause });
          const half = Math.ceil(messages.length / 2);
          await send(messages.slice(0, half), remainingMs());
          return send(messages.slice(half), remainingMs());
        }
        // A new producer tries again, because kafkajs gives up at once on some errors that a new producer
        // does not have.
        if (remainingMs() < 200) throw unavailable(cause);
        await delay(100);
      }
    }
  }

  return {
    send,
    async close() {
      await Promise.race([
        current?.producer.disconnect().catch(() => {}),
        delay(2_000, undefined, { ref: false }),
      ]);
    },
  };
}

interface Connected {
  readonly producer: Producer;
  readonly connected: Promise<void>;
  /**
   * Ends the producer. Afterwards it writes no pending message, because such a message would follow newer
   * records.
   */
  abandon(sending: Promise<unknown>): void;
}

function openProducer(client: Kafka): Connected {
  let abandoned = false;
  const choose = Partitioners.DefaultPartitioner();
  const chosen = new WeakMap<Message, number>();
  const producer = client.producer({
    idempotent: true,
    allowAutoTopicCreation: false,
    maxInFlightRequests: 1,
    // kafkajs retries for longer than the deadline of a send. So during a short outage the send does not fail
    // before its deadline.
    retry: { retries: 12, maxRetryTime: 500 },
    createPartitioner: () => (args) => {
      if (abandoned) throw Object.assign(new Error('the send was given up'), { retriable: false });
      // Every attempt sends a message to the same partition. Otherwise a message without a key could change
      // its partition between attempts, and its sequence number would be wrong.
      const partition = chosen.get(args.message) ?? choose(args);
      chosen.set(args.message, partition);
      return partition;
    },
  });
  const connected = producer.connect();
  return {
    producer,
    connected,
    abandon(sending) {
      abandoned = true;
      const disconnect = () => producer.disconnect().catch(() => {});
      void disconnect();
      // A retry that is still running would connect again.
      void sending.then(disconnect, disconnect);
    },
  };
}

function byTopic(messages: readonly OutgoingMessage[]) {
  const topics = new Map<string, Message[]>();
  for (const { topic, message } of messages) {
    const own = topics.get(topic);
    if (own) own.push(message);
    else topics.set(topic, [message]);
  }
  return [...topics].map(([topic, own]) => ({ topic, messages: own }));
}

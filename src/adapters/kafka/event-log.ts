import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Admin, IHeaders } from 'kafkajs';
import { withDeadline } from '../../async/deadline.ts';
import { createGroupCommit } from '../../async/group-commit.ts';
import { createProgress } from '../../async/progress.ts';
import { AppError } from '../../domain/error.ts';
import { encode } from '../../events/codec.ts';
import { keyOf, topicOf } from '../../events/event.ts';
import type { EventLog, LogHealth, OutgoingRecord } from '../../ports/event-log.ts';
import type { Logger } from '../../ports/logger.ts';
import { createConnect } from './client.ts';
import { type RunningConsumption, startConsumption } from './consumption.ts';
import { adviceOn, isRefusal, reasonOf, unavailable } from './error.ts';
import { standingOf } from './health.ts';
import { createNames } from './names.ts';
import { type KafkaOptions, settingsOf } from './options.ts';
import { createMessageProducer, type OutgoingMessage } from './producer.ts';
import { exactBytesOf } from './record.ts';
import { createTopics } from './topics.ts';

/** An upper bound of the bytes that Kafka adds to each record, in addition to the headers of the record. */
const overheadBytes = 100;

/**
 * A send with less remaining time than this, in ms, is not tried. Such a send would probably fail, and a
 * failure replaces the producer.
 */
const minSendMs = 500;

const healthTimeoutMs = 3_000;

interface Deps {
  readonly logger: Logger;
  /**
   * Called once if Kafka refuses the first connection, and once for each consumption that fails permanently.
   * The process should then end and report the reason.
   */
  readonly onFatal: (error: Error) => void;
}

interface Pending extends OutgoingMessage {
  readonly bytes: number;
  readonly deadline: number;
}

interface Entry {
  readonly group: string;
  readonly topics: readonly string[];
  readonly progress: ReturnType<typeof createProgress>;
  readonly running: RunningConsumption;
}

/**
 * Creates a log in topics of Kafka, keyed by tenant and user. The members of a group share the partitions.
 * `prune` does nothing, because Kafka's retention removes old records. Missing topics are created in the
 * background. While Kafka is unreachable, calls reject with UNAVAILABLE and consumers wait.
 */
export function createKafkaEventLog({ logger, onFatal }: Deps, options: KafkaOptions): EventLog {
  const settings = settingsOf(options);
  const { appendTimeoutMs, maxAppendBytes, stallMs } = settings;
  const names = createNames(options);
  const connect = createConnect({ logger }, settings);
  const producer = createMessageProducer({ connect }, settings);
  const consumptions = new Set<Entry>();
  const closing = new AbortController();
  const topicsReady = untilTopicsExist();
  let wasReached = false;
  topicsReady.then(
    () => {
      wasReached = true;
    },
    () => {},
  );
  let admin: Promise<Admin> | undefined;

  async function untilTopicsExist(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const admin = connect().admin();
      try {
        await admin.connect();
        return await createTopics({ admin, logger, names }, settings);
      } catch (err) {
        closing.signal.throwIfAborted();
        if (isRefusal(err)) return refused(err);
        // The first failure is logged. After that the log has about one line per minute.
        if (attempt === 1 || attempt % 10 === 0)
          logger.warn({ err, attempt }, 'Kafka does not answer or refuses the topics; trying again');
        await delay(Math.min(5_000, 100 * 2 ** attempt), undefined, { signal: closing.signal });
      } finally {
        void admin.disconnect().catch(() => {});
      }
    }
  }

  /**
   * Reports that Kafka refuses the connection. Retries do not help until an operator fixes the settings.
   * Rejects when the log is closed.
   */
  async function refused(cause: unknown): Promise<void> {
    const message = `Kafka refuses the connection: ${reasonOf(cause)}. ${adviceOn(cause)}`;
    onFatal(new AppError('START_REFUSED', message, { cause }));
    await once(closing.signal, 'abort');
    closing.signal.throwIfAborted();
  }

  const commits = createGroupCommit<Pending>(async (pending) => {
    // Messages are sent in the order of the calls. Each send contains as many messages as a partition accepts
    // at once.
    for (const messages of chunksOf(pending, maxAppendBytes)) {
      const oldest = Math.min(...messages.map(({ deadline }) => deadline));
      const remainingMs = oldest - performance.now();
      if (remainingMs < minSendMs) throw unavailable(new Error('the records waited too long for their turn'));
      await producer.send(messages, remainingMs);
    }
  });

  async function write(records: readonly OutgoingRecord[]): Promise<void> {
    const deadline = performance.now() + appendTimeoutMs;
    await commits.add(
      records.map((record) =>
        toPending({ ...record, topic: names.inKafka(record.topic) }, deadline, maxAppendBytes),
      ),
    );
  }

  async function health(): Promise<LogHealth> {
    if (!wasReached) return { lag: null, problem: 'Kafka was not reached yet' };
    if (consumptions.size === 0) return { lag: null, problem: undefined };
    const problems = [...consumptions].map(({ running }) => running.problem());
    try {
      let lag = 0n;
      const groups = new Map([...consumptions].map((entry) => [entry.group, entry]));
      for (const { group, topics, progress } of groups.values()) {
        const standing = await ask(group, topics);
        lag += standing.lag;
        problems.push(progress.problemAt(standing));
      }
      return { lag, problem: problems.find((problem) => problem !== undefined) };
    } catch (error) {
      return { lag: null, problem: `Kafka does not answer: ${reasonOf(error)}` };
    }
  }

  /**
   * Asks Kafka for the lag and the position of a group. `group` and `topics` are the names in Kafka. If a
   * connection gives no answer, it is not used again.
   */
  async function ask(group: string, topics: readonly string[]) {
    const standing = async () => {
      admin ??= openAdmin();
      return standingOf(await admin, group, topics);
    };
    try {
      return await withDeadline(standing(), healthTimeoutMs);
    } catch (error) {
      void admin?.then((one) => one.disconnect()).catch(() => {});
      admin = undefined;
      throw error;
    }
  }

  async function openAdmin(): Promise<Admin> {
    const opened = connect().admin();
    await opened.connect();
    return opened;
  }

  return {
    append: (events) =>
      write(
        events.map((event) => ({
          topic: topicOf(event),
          key: keyOf(event),
          value: Buffer.from(encode(event)),
        })),
      ),
    send: write,
    async consume(group, topics, handle, options) {
      const subscription = {
        group: names.group(group),
        topics: topics.map(names.inKafka),
        handle,
        ...options,
      };
      const running = startConsumption(
        { connect, logger, onFatal, topicsReady, names },
        subscription,
        settings,
      );
      const entry: Entry = { ...subscription, running, progress: createProgress({ stallMs }) };
      consumptions.add(entry);
      await running.begun;
      return {
        async stop() {
          await running.stop();
          consumptions.delete(entry);
        },
      };
    },
    health,
    async lag(group, topics) {
      try {
        return (await ask(names.group(group), topics.map(names.inKafka))).lag;
      } catch (cause) {
        throw unavailable(cause);
      }
    },
    prune: async () => 0,
    async close() {
      closing.abort(new Error('the log was closed'));
      await Promise.all([...consumptions].map(({ running }) => running.stop()));
      await commits.idle();
      await producer.close();
      await withDeadline(topicsReady, 2_000).catch(() => {});
      await withDeadline(
        Promise.resolve(admin).then((one) => one?.disconnect()),
        2_000,
      ).catch(() => {});
    },
  };
}

/** Prepares a record for writing. Throws BAD_USER_INPUT if the record can never be written. */
function toPending(record: OutgoingRecord, deadline: number, maxBytes: number): Pending {
  const { topic, value } = record;
  const { key, headers } = exactBytesOf(record);
  const parts = [key, value, ...headers.flat()];
  const bytes = parts.reduce((sum, part) => sum + (part?.byteLength ?? 0) + 5, overheadBytes);
  if (bytes > maxBytes) {
    throw new AppError(
      'BAD_USER_INPUT',
      `The event is too large. Its key, value and headers may have ${maxBytes} bytes together.`,
    );
  }
  const content = { key, value: value && Buffer.from(value) };
  // kafkajs expects an object here, but its encoder is patched (patch-kafkajs.ts) and writes a list of
  // headers unchanged.
  const message = headers.length === 0 ? content : { ...content, headers: headers as unknown as IHeaders };
  return { topic, message, bytes, deadline };
}

function chunksOf(pending: readonly Pending[], maxBytes: number): readonly (readonly Pending[])[] {
  const chunks: Pending[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const one of pending) {
    bytes += one.bytes;
    if (bytes > maxBytes) {
      chunks.push([]);
      bytes = one.bytes;
    }
    chunks.at(-1)?.push(one);
  }
  return chunks;
}

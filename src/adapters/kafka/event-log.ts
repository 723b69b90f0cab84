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

/** What Kafka adds to each record at most, headers not counted; generous. */
const overheadBytes = 100;

/** A try that has less time is not begun: it would hardly succeed, and cost the producer. */
const minSendMs = 500;

const healthTimeoutMs = 3_000;

interface Deps {
  readonly logger: Logger;
  /**
   * Called once when the first connection is refused, and once for each consumption that cannot go on, whatever is tried:
   * the process should end and say why.
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
 * The log as topics of Kafka, keyed by tenant and user. The members of a group share the partitions; old records go by
 * Kafka's retention, so `prune` has nothing to do. Begins to create missing topics at once; while Kafka is away calls
 * reject with UNAVAILABLE and consumers wait.
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
        // The first says that it began, then one line a minute or so.
        if (attempt === 1 || attempt % 10 === 0)
          logger.warn({ err, attempt }, 'Kafka does not answer or refuses the topics; trying again');
        await delay(Math.min(5_000, 100 * 2 ** attempt), undefined, { signal: closing.signal });
      } finally {
        void admin.disconnect().catch(() => {});
      }
    }
  }

  /** Nobody is served by a process that waits for somebody to mend its settings. Rejects when the log is closed. */
  async function refused(cause: unknown): Promise<void> {
    const message = `Kafka refuses the connection: ${reasonOf(cause)}. ${adviceOn(cause)}`;
    onFatal(new AppError('START_REFUSED', message, { cause }));
    await once(closing.signal, 'abort');
    closing.signal.throwIfAborted();
  }

  const commits = createGroupCommit<Pending>(async (pending) => {
    // In the order of the calls, as many together as one partition takes at once.
    for (const messages of chunksOf(pending, maxAppendBytes)) {
      const oldest = Math.min(...messages.map(({ deadline }) => deadline));
      const remainingMs = oldest - performance.now();
      if (remainingMs < minSendMs) throw unavailable(new Error('it has waited for its turn too long'));
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

  /** Group and topics as Kafka names them. A connection that gave no answer is not asked again. */
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

/** Rejects with BAD_USER_INPUT when the record can never be written. */
function toPending(record: OutgoingRecord, deadline: number, maxBytes: number): Pending {
  const { topic, value } = record;
  const { key, headers } = exactBytesOf(record);
  const parts = [key, value, ...headers.flat()];
  const bytes = parts.reduce((sum, part) => sum + (part?.byteLength ?? 0) + 5, overheadBytes);
  if (bytes > maxBytes) {
    throw new AppError(
      'BAD_USER_INPUT',
      `The event is too large: at most ${maxBytes} bytes are stored together.`,
    );
  }
  const content = { key, value: value && Buffer.from(value) };
  // A list is written as it is, see patch-kafkajs.ts.
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

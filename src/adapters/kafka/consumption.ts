import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import type { ConsumeOptions, LogRecord } from '../../ports/event-log.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Delivered } from './decode-records.ts';
import { adviceOn, isPermanent, reasonOf } from './error.ts';
import { createMembership } from './membership.ts';
import type { Names } from './names.ts';
import type { Settings } from './options.ts';
import { toRecord } from './record.ts';

/** The maximum number of records that are handed over together. */
const chunkSize = 500;

/**
 * The maximum time, in ms, until `begun` resolves. Kafka admits a new group member only after the other
 * members have finished their batches. So the process may join after `begun` has resolved.
 */
const beginTimeoutMs = 5_000;

/**
 * The maximum time, in ms, that stop and close wait for Kafka. They wait for a running handler without a
 * limit.
 */
const leaveTimeoutMs = 5_000;

/** If a consumer runs for this time, in ms, without a crash, its earlier crashes no longer count. */
const calmMs = 30_000;

export type Handle = (records: readonly LogRecord[], signal: AbortSignal) => Promise<void>;

/** A running consumption of a group, with the data that `health` needs. */
export interface RunningConsumption {
  /**
   * Resolves when this process is a member of the group, or when its first attempt to join has failed. After
   * a failure it tries again.
   */
  readonly begun: Promise<void>;
  /**
   * The reason why nothing is consumed at present. Undefined while this process is a member or is joining.
   */
  problem(): string | undefined;
  stop(): Promise<void>;
}

interface Subscription extends ConsumeOptions {
  readonly group: string;
  readonly topics: readonly string[];
  readonly handle: Handle;
}

interface Deps {
  readonly connect: () => Kafka;
  readonly logger: Logger;
  /** Called once if the consumption ends permanently. */
  readonly onFatal: (error: Error) => void;
  /** Resolves when the topics exist. */
  readonly topicsReady: Promise<void>;
  readonly names: Names;
}

/**
 * Consumes until stopped. If the consumer of kafkajs crashes, a new consumer replaces it. kafkajs itself does
 * not restart after some errors that end with an outage, and it may restart after an intentional disconnect.
 */
export function startConsumption(
  { connect, logger, onFatal, topicsReady, names }: Deps,
  { group, topics, handle, ahead = 0 }: Subscription,
  settings: Settings,
): RunningConsumption {
  const stopping = new AbortController();
  const begun = createGate();
  const handling = new Set<Promise<unknown>>();
  const stopped = new Promise<void>((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve());
  });
  let problem: string | undefined = 'the consumer group is not joined yet';
  let membership = createMembership();

  /** Consumes with one kafkajs consumer until stopped. Rejects with the error that crashed the consumer. */
  async function consumeOnce(): Promise<void> {
    await Promise.race([topicsReady, stopped]);
    if (stopping.signal.aborted) return;
    const consumer = openConsumer(connect(), group, settings);
    const crashed = new Promise<never>((_, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
      // After a crash kafkajs disconnects. This may wait forever for the answer to an earlier request.
      const stuck = () => reject(new Error('the Kafka client stopped and does not end'));
      consumer.on(consumer.events.STOP, () => void setTimeout(stuck, leaveTimeoutMs).unref());
    });
    crashed.catch(() => {});
    consumer.on(consumer.events.REBALANCING, () => membership.end());
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      membership.end();
      if (!stopping.signal.aborted) membership = createMembership();
      logger.info({ group, partitions: payload.memberAssignment }, 'joined the consumer group');
      problem = undefined;
      begun.open();
    });
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [...topics], fromBeginning: true });
      // `run` resolves when the consumer has joined the group, and also when it failed to join.
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: 3,
        eachBatch: consumeBatch,
      });
      await Promise.race([stopped, crashed]);
      await membership.settled();
    } finally {
      membership.end();
      await Promise.race([
        consumer.disconnect().catch(() => {}),
        delay(leaveTimeoutMs, undefined, { ref: false }),
      ]);
    }
  }

  /**
   * Hands a batch over in chunks and commits the position after each chunk. Rejects with Kafka's error if the
   * partition was assigned to another member or if the position cannot be committed. Then kafkajs joins the
   * group again and fetches from the committed position.
   */
  async function consumeBatch(payload: EachBatchPayload): Promise<void> {
    const { heartbeat, isRunning } = payload;
    let revocation: unknown;
    // This does not use AbortSignal.any, because the long-lived signal would retain every derived signal.
    const ending = new AbortController();
    const endEarly = () => ending.abort(stopping.signal.reason);
    stopping.signal.addEventListener('abort', endEarly);
    if (stopping.signal.aborted) endEarly();
    // kafkajs sends no heartbeat if the last one was too recent. So this timer fires at half the interval.
    const beat = setInterval(() => {
      heartbeat().catch((error) => {
        // During an outage Kafka reassigns no partition, so the current work may continue.
        if (!isRevocation(error)) return;
        revocation = error;
        ending.abort(error);
        membership.end(error);
      });
    }, settings.heartbeatIntervalMs / 2);
    try {
      const delivered = deliveredIn(payload);
      for (let from = 0; from < delivered.length; from += chunkSize) {
        if (!isRunning()) break;
        const messages = delivered.slice(from, from + chunkSize);
        const records = recordsOf(payload, messages);
        if (ahead > 0) {
          if (!(await handOver(payload, messages, records))) break;
        } else {
          if (!(await handleUntilDone(records, ending.signal))) break;
          await commit(payload, offsetAfter(payload, messages));
          payload.resolveOffset(messages.at(-1)?.offset ?? '');
        }
        await heartbeat();
      }
      // kafkajs joins the group again if its handler throws this error.
      if (revocation !== undefined) throw revocation;
    } finally {
      clearInterval(beat);
      stopping.signal.removeEventListener('abort', endEarly);
    }
  }

  /**
   * Returns the records of messages, without marks. A mark has nothing to apply and only moves the position.
   */
  function recordsOf({ batch }: EachBatchPayload, messages: readonly Delivered[]): readonly LogRecord[] {
    const topic = names.here(batch.topic);
    return messages
      .filter(({ isMark }) => !isMark)
      .map((message) => toRecord(topic, batch.partition, message));
  }

  /**
   * Hands records over before the earlier records are done. Resolves to true when at most `ahead` records are
   * not done. Resolves to false if the membership ends before the handler resolves.
   */
  async function handOver(
    payload: EachBatchPayload,
    messages: readonly Delivered[],
    records: readonly LogRecord[],
  ): Promise<boolean> {
    const { signal } = membership;
    const work = handleUntilDone(records, signal).then((isDone) => {
      if (!isDone) throw signal.reason;
    });
    const place = offsetAfter(payload, messages);
    payload.resolveOffset(messages.at(-1)?.offset ?? '');
    return membership.handOver(payload, { place, size: records.length, work }, ahead).then(
      () => true,
      () => false,
    );
  }

  /**
   * Calls the handler with the records until the handler resolves. Resolves to false if the signal aborts
   * first.
   */
  async function handleUntilDone(records: readonly LogRecord[], signal: AbortSignal): Promise<boolean> {
    if (records.length === 0) return !signal.aborted;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      const work = handle(records, signal);
      handling.add(work);
      try {
        await work;
        return true;
      } catch (err) {
        if (signal.aborted) return false;
        const retryMs = Math.min(settings.maxRetryMs, 100 * 2 ** attempt) * Math.random();
        if (attempt === 1 || attempt % 10 === 0)
          logger.warn({ group, err, attempt, retryMs }, 'a handler rejected a batch; trying again');
        await delay(retryMs, undefined, { signal }).catch(() => {});
      } finally {
        handling.delete(work);
      }
    }
    return false;
  }

  async function run(): Promise<void> {
    let failures = 0;
    while (!stopping.signal.aborted) {
      const startedAt = performance.now();
      try {
        await consumeOnce();
      } catch (err) {
        if (stopping.signal.aborted) return;
        problem = `consuming was interrupted: ${reasonOf(err)}`;
        begun.open();
        if (isPermanent(err)) {
          logger.error({ group, err }, 'consuming ended permanently');
          const message = `Kafka cannot be consumed: ${reasonOf(err)}. ${adviceOn(err) ?? ''}`.trimEnd();
          onFatal(new Error(message, { cause: err }));
          return;
        }
        failures = performance.now() - startedAt > calmMs ? 1 : failures + 1;
        const retryMs = Math.min(5_000, 100 * 2 ** failures) * (0.5 + Math.random() / 2);
        // The first failure is logged. After that the log has about one line per minute.
        if (failures === 1 || failures % 10 === 0) {
          logger.warn({ group, err, failures, retryMs }, 'consuming was interrupted; trying again');
        }
        await delay(retryMs, undefined, { signal: stopping.signal }).catch(() => {});
      }
    }
  }

  const running = run();
  return {
    begun: Promise.race([begun.opened, delay(beginTimeoutMs, undefined, { ref: false })]),
    problem: () => problem,
    async stop() {
      stopping.abort(new Error('consuming was stopped'));
      membership.end(stopping.signal.reason);
      begun.open();
      while (handling.size > 0) await Promise.allSettled(handling);
      await Promise.race([running, delay(leaveTimeoutMs, undefined, { ref: false })]);
    },
  };
}

function openConsumer(client: Kafka, groupId: string, settings: Settings): Consumer {
  return client.consumer({
    groupId,
    sessionTimeout: settings.sessionTimeoutMs,
    heartbeatInterval: settings.heartbeatIntervalMs,
    rebalanceTimeout: settings.rebalanceTimeoutMs,
    maxWaitTimeInMs: settings.fetchWaitMs,
    allowAutoTopicCreation: false,
    retry: { restartOnFailure: async () => false },
  });
}

/**
 * Returns the result of `decodeRecords`. kafkajs passes these objects on as if they were its own messages.
 */
const deliveredIn = ({ batch }: EachBatchPayload) =>
  batch.messages as readonly object[] as readonly Delivered[];

/** The offset to commit after the group has passed these messages of a batch. */
function offsetAfter({ batch }: EachBatchPayload, messages: readonly Delivered[]): string {
  const last = messages.at(-1)?.offset ?? '';
  // kafkajs skips records of aborted transactions, and such records may follow the last message of the batch.
  const passed = last === batch.messages.at(-1)?.offset ? batch.lastOffset() : last;
  return String(BigInt(passed) + 1n);
}

/** Commits an offset before kafkajs fetches more. If the commit fails, kafkajs delivers the batch again. */
async function commit({ batch, commitOffsetsIfNecessary }: EachBatchPayload, offset: string): Promise<void> {
  await commitOffsetsIfNecessary({
    topics: [{ topic: batch.topic, partitions: [{ partition: batch.partition, offset }] }],
  });
}

/** Whether Kafka has reassigned the partitions of this member, or is about to do so. */
function isRevocation(error: unknown): boolean {
  const { type = '' } = error as { readonly type?: string };
  return ['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID'].includes(
    type,
  );
}

/** A gate that can be opened once. `opened` resolves when the gate opens. */
function createGate() {
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

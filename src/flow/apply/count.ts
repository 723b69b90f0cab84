import { setMaxListeners } from 'node:events';
import {
  type Activity,
  additionsOf,
  defaultMaxActivityTypes,
  type TypedBucket,
} from '../../domain/activity.ts';
import { timelinessOf } from '../../domain/page-view.ts';
import { userKeyOf } from '../../domain/user.ts';
import { pageViewType } from '../../events/activity.ts';
import type { Event } from '../../events/event.ts';
import { topics } from '../../events/topic.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Consumption, EventLog, LogRecord } from '../../ports/event-log.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { ActivityStore, ActivityTransaction } from '../../ports/store/activity.ts';
import type { PartitionStore } from '../../ports/store/partitions.ts';
import type { FinishTransaction, Transactions } from '../../ports/store/transactions.ts';
import { erasedTopic, publishBuckets } from '../deliver/publish.ts';
import { createActivityTypes } from './activity-types.ts';
import { createIsolate } from './isolate.ts';
import type { Project } from './project.ts';
import { readRecords } from './read-records.ts';
import { activityIdOf } from './row-id.ts';

/** Consumer group of the metrics. */
export const metricsGroup = 'unseen-metrics';

const counted = [topics.userActivity];

/** The maximum number of buckets that a flush publishes. */
const maxPublished = 500;

interface CountDeps {
  readonly log: EventLog;
  readonly project: Pick<Project, 'deadLetter' | 'probe'>;
  readonly store: ActivityStore & PartitionStore & Transactions<ActivityTransaction & FinishTransaction>;
  readonly pubSub: PubSub;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface CountOptions {
  /** Activity older than this is not counted. */
  readonly retentionDays: number;
  /** The maximum time between reading an activity and writing it, in ms. */
  readonly flushIntervalMs: number;
  /** The number of records that starts a flush. Records with nothing to count are included. */
  readonly batchSize: number;
  /**
   * The maximum number of activity types that are counted by name in a tenant. Further types count as
   * `other`. Defaults to 200.
   */
  readonly maxActivityTypes?: number;
  /** The maximum wait between two attempts, in ms. */
  readonly maxBackoffMs?: number;
}

/** Activities that are written together. */
interface Batch {
  readonly activities: Map<LogRecord, Activity>;
  /** The number of records that wait for this batch. Most of them may have nothing to count. */
  records: number;
  /** Resolves or rejects when the batch is written. */
  readonly written: Promise<void>;
  readonly settle: { resolve(): void; reject(error: unknown): void };
  /** The signals of the records. If a signal aborts, its records may go to another consumer. */
  readonly signals: Set<AbortSignal>;
  /** Writes the batch at once, without retries. */
  readonly flushNow: () => void;
  /** Aborted by `flushNow`. */
  readonly lastAttempt: AbortSignal;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Counts the activity of users per minute, hour and day. The consumer has its own consumer group. The
 * consumer collects activities and writes them together: after `flushIntervalMs`, after `batchSize` records,
 * or when a partition goes to another consumer.
 *
 * The group commits an offset only after the record is written. The transaction that counts an event also
 * records that the event is counted. So an event counts once, even if it was sent twice or is read again
 * after a crash. An event that cannot be counted becomes a dead letter, and the other events of its batch are
 * counted.
 */
export function createCount(
  { log, project, store, pubSub, clock, logger }: CountDeps,
  {
    retentionDays,
    flushIntervalMs,
    batchSize,
    maxActivityTypes = defaultMaxActivityTypes,
    maxBackoffMs,
  }: CountOptions,
) {
  // Waits for a lock without limit, because a row of the metrics belongs to many users.
  const isolate = createIsolate({ group: metricsGroup, project, logger }, { maxBackoffMs });
  const writer = createWriter({ store, pubSub, clock, logger }, { maxActivityTypes });
  const batches = createBatches(write, { flushIntervalMs, batchSize });
  let succeededAt: Date | undefined;

  /** Writes a batch. Retries while the backend is unreachable, until the last attempt of the batch fails. */
  async function write({ activities, lastAttempt }: Batch): Promise<void> {
    const addAll = (records: readonly LogRecord[]): Promise<void> =>
      writer.add(records.flatMap((record) => activities.get(record) ?? []));
    await isolate.apply([...activities.keys()], addAll, lastAttempt);
    succeededAt = clock.now();
  }

  /** Resolves when the records are counted. */
  const take = async (records: readonly LogRecord[], signal: AbortSignal): Promise<void> =>
    batches.take(records, activitiesIn(records, clock.now(), retentionDays), signal);

  return {
    /**
     * Starts the consumer. At most two batches of each partition are in memory: the batch that is being
     * written and the next batch.
     */
    async start(): Promise<Consumption> {
      const { end } = pubSub.subscribe([erasedTopic], ({ value }) => batches.forget(value));
      const consumption = await log.consume(metricsGroup, counted, take, { ahead: 2 * batchSize });
      return { stop: () => consumption.stop().finally(end) };
    },
    /** Returns the last time at which a batch was written. Undefined if none was written yet. */
    succeededAt: () => succeededAt,
    /**
     * Returns the number of records that are not counted yet, in all processes. The number is usually above 0
     * between two flushes. Rejects with UNAVAILABLE.
     */
    lag: (): Promise<bigint> => log.lag(metricsGroup, counted),
    /** Returns the number of activities that this process has counted as `other`. */
    others: (): number => writer.others(),
  };
}

/** Collects activities into batches. The batches are written one after another. */
function createBatches(
  write: (batch: Batch) => Promise<void>,
  { flushIntervalMs, batchSize }: Pick<CountOptions, 'flushIntervalMs' | 'batchSize'>,
) {
  let open: Batch | undefined;
  // Resolves when all earlier batches are written. If an event is in two batches, the first batch counts it.
  let writing: Promise<void> = Promise.resolve();

  function flush(batch: Batch): void {
    if (open !== batch) return;
    open = undefined;
    clearTimeout(batch.timer);
    writing = writing
      .then(() => write(batch))
      .then(batch.settle.resolve, batch.settle.reject)
      .then(() => {
        for (const signal of batch.signals) signal.removeEventListener('abort', batch.flushNow);
      });
  }

  return {
    /**
     * Resolves when the records are counted. Records with nothing to count only wait for the records before
     * them. If `signal` aborts, the batch is written at once.
     */
    take(
      records: readonly LogRecord[],
      activities: ReadonlyMap<LogRecord, Activity>,
      signal: AbortSignal,
    ): Promise<void> {
      if (activities.size === 0 && !open) return writing;
      open ??= openBatch(flush, flushIntervalMs);
      const batch = open;
      batch.records += records.length;
      for (const [record, activity] of activities) batch.activities.set(record, activity);
      flushOnAbort(batch, signal);
      // Counts all records, not only activities. The log hands over at most twice `batchSize` unfinished
      // records. If only activities counted, the flush could wait for records that the log hands over only
      // after the flush.
      if (batch.records >= batchSize) flush(batch);
      return batch.written;
    },
    /** Drops the collected activities of an erased user. */
    forget(userKey: string): void {
      if (!open) return;
      for (const [record, activity] of open.activities)
        if (userKeyOf(activity) === userKey) open.activities.delete(record);
    },
  };
}

function openBatch(flush: (batch: Batch) => void, flushIntervalMs: number): Batch {
  let settle: Batch['settle'] = { resolve() {}, reject() {} };
  const written = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  const lastAttempt = new AbortController();
  const batch: Batch = {
    activities: new Map(),
    records: 0,
    written,
    settle,
    signals: new Set(),
    flushNow() {
      lastAttempt.abort();
      flush(batch);
    },
    lastAttempt: lastAttempt.signal,
    timer: undefined,
  };
  batch.timer = setTimeout(() => flush(batch), flushIntervalMs);
  return batch;
}

function flushOnAbort(batch: Batch, signal: AbortSignal): void {
  if (signal.aborted) batch.flushNow();
  else if (!batch.signals.has(signal)) {
    batch.signals.add(signal);
    // Each waiting batch has a listener. With many partitions there are more than 10 listeners, which is
    // where Node warns of a leak.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', batch.flushNow);
  }
}

/** Writes activities to the metrics and publishes the changed buckets. */
function createWriter(
  { store, pubSub, clock, logger }: Pick<CountDeps, 'store' | 'pubSub' | 'clock' | 'logger'>,
  { maxActivityTypes }: { readonly maxActivityTypes: number },
) {
  const types = createActivityTypes({ max: maxActivityTypes });
  let others = 0;

  async function add(activities: readonly Activity[]): Promise<void> {
    const now = clock.now();
    await store.preparePageViews(activities.map(({ occurredAt }) => occurredAt));
    const work = async (transaction: ActivityTransaction & FinishTransaction) => {
      const claims = await transaction.claimCounted(activities, now);
      const claimed = activities.filter((_, index) => claims[index]);
      // The row of an activity has the type that the activity counts as. So a recount of the rows gives the
      // same numbers.
      const named = await types.name(transaction, claimed, now);
      const fresh = await transaction.keepActivity(named.activities);
      transaction.finish(transaction.addActivity(fresh, now));
      return { added: fresh, named };
    };
    const { added, named } = await store.projection(work, { publishes: true });
    types.learn(named.learned);
    others += named.others;
    // A failure is only logged, because the transaction is committed. A watcher that misses the buckets reads
    // them later.
    await publishChanged(added).catch((err) => logger.warn({ err }, 'buckets could not be published'));
  }

  async function publishChanged(added: readonly Activity[]): Promise<void> {
    // If late activities changed many buckets, only the newest buckets are published, because watchers look
    // at recent buckets.
    const newest = [...additionsOf(added)]
      .sort((a, b) => b.start.getTime() - a.start.getTime())
      .slice(0, maxPublished);
    const buckets: readonly TypedBucket[] = await store.activityBuckets(newest);
    await publishBuckets(pubSub, buckets);
  }

  return { add, others: () => others };
}

/**
 * Returns the activities of the records, without activities that are too old and without unreadable records.
 * The projections store unreadable records as dead letters.
 */
function activitiesIn(
  records: readonly LogRecord[],
  now: Date,
  retentionDays: number,
): ReadonlyMap<LogRecord, Activity> {
  const activities = new Map<LogRecord, Activity>();
  for (const { record, event } of readRecords(records, now).events) {
    const activityType = activityTypeOf(event);
    if (activityType === undefined) continue;
    if (timelinessOf(event.occurredAt, now, retentionDays) === 'too-old') continue;
    const { tenantId, userId, occurredAt } = event;
    activities.set(record, { tenantId, userId, id: activityIdOf(event), activityType, occurredAt });
  }
  return activities;
}

function activityTypeOf(event: Event): string | undefined {
  if (event.type === 'pageViewed') return pageViewType;
  return event.type === 'activityRecorded' ? event.data.activityType : undefined;
}

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

export interface CountOptions {
  /** Activity older than this is not counted. */
  readonly retentionDays: number;
  /** What was taken is written at the latest after this. */
  readonly flushIntervalMs: number;
  /** A flush starts as soon as this many records were read, whether they are counted or not. */
  readonly batchSize: number;
  /** Types of activity that a tenant counts by name; further types count as `other`. Default 200. */
  readonly maxActivityTypes?: number;
  readonly maxBackoffMs?: number;
}

/** What was taken and is written together. */
interface Batch {
  readonly activities: Map<LogRecord, Activity>;
  /** Records that wait for this batch. Most of them may hold nothing to count. */
  records: number;
  /** Settles as the writing does. */
  readonly written: Promise<void>;
  readonly settle: { resolve(): void; reject(error: unknown): void };
  /** Those of its records: when one is aborted, they may go to another consumer. */
  readonly signals: Set<AbortSignal>;
  /** Has it written now, and not tried again. */
  readonly flushNow: () => void;
  readonly told: AbortSignal;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Counts what users do, per minute, hour and day. It consumes the log on its own, keeps what it is handed and writes it
 * together: after a while, when enough was read, or when it is told to let go. The group moves on only behind what is
 * written, and each event is marked in the transaction that counts it: what comes again after a crash, to this worker or
 * another, or was sent twice, counts once. An event that cannot be counted becomes a dead letter, alone.
 */
export function createCount(
  {
    log,
    project,
    store,
    pubSub,
    clock,
    logger,
  }: {
    readonly log: EventLog;
    readonly project: Pick<Project, 'deadLetter' | 'probe'>;
    readonly store: ActivityStore & PartitionStore & Transactions<ActivityTransaction & FinishTransaction>;
    readonly pubSub: PubSub;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  {
    retentionDays,
    flushIntervalMs,
    batchSize,
    maxActivityTypes = defaultMaxActivityTypes,
    maxBackoffMs,
  }: CountOptions,
) {
  // A row of the metrics is of many users: a lock on it is waited for.
  const isolate = createIsolate({ group: metricsGroup, project, logger }, { maxBackoffMs });
  const types = createActivityTypes({ max: maxActivityTypes });
  let others = 0;
  let open: Batch | undefined;
  // One after the other: of the same event in two batches, the first in the log is the one that counts.
  let writing: Promise<void> = Promise.resolve();
  let succeededAt: Date | undefined;

  function begin(): Batch {
    let settle: Batch['settle'] = { resolve() {}, reject() {} };
    const written = new Promise<void>((resolve, reject) => {
      settle = { resolve, reject };
    });
    const told = new AbortController();
    const batch: Batch = {
      activities: new Map(),
      records: 0,
      written,
      settle,
      signals: new Set(),
      flushNow() {
        told.abort();
        flush(batch);
      },
      told: told.signal,
      timer: undefined,
    };
    batch.timer = setTimeout(() => flush(batch), flushIntervalMs);
    return batch;
  }

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

  /** Tries until the backend is back, or it is told. */
  async function write({ activities, told }: Batch): Promise<void> {
    const addAll = (records: readonly LogRecord[]): Promise<void> =>
      add(records.flatMap((record) => activities.get(record) ?? []));
    await isolate.apply([...activities.keys()], addAll, told);
    succeededAt = clock.now();
  }

  async function add(activities: readonly Activity[]): Promise<void> {
    const now = clock.now();
    await store.preparePageViews(activities.map(({ occurredAt }) => occurredAt));
    const work = async (transaction: ActivityTransaction & FinishTransaction) => {
      const claims = await transaction.claimCounted(activities, now);
      const claimed = activities.filter((_, index) => claims[index]);
      // What is kept has the type that it counts as, so that a recount of what is kept comes to the same numbers.
      const named = await types.name(transaction, claimed, now);
      const fresh = await transaction.keepActivity(named.activities);
      transaction.finish(transaction.addActivity(fresh, now));
      return { added: fresh, named };
    };
    const { added, named } = await store.projection(work, { publishes: true });
    types.learn(named.learned);
    others += named.others;
    // Told after the commit; who misses it reads again.
    await publishChanged(added).catch((err) => logger.warn({ err }, 'buckets could not be published'));
  }

  async function publishChanged(added: readonly Activity[]): Promise<void> {
    // Of many late ones the newest: nobody watches the others come.
    const newest = [...additionsOf(added)]
      .sort((a, b) => b.start.getTime() - a.start.getTime())
      .slice(0, maxPublished);
    const buckets: readonly TypedBucket[] = await store.activityBuckets(newest);
    await publishBuckets(pubSub, buckets);
  }

  /** Drops what was taken of a user. */
  function forget(userKey: string): void {
    if (!open) return;
    for (const [record, activity] of open.activities)
      if (userKeyOf(activity) === userKey) open.activities.delete(record);
  }

  /** Resolves when the records are counted. Records without anything to count wait only for the records before them. */
  async function take(records: readonly LogRecord[], signal: AbortSignal): Promise<void> {
    const activities = activitiesIn(records, clock.now(), retentionDays);
    if (activities.size === 0 && !open) return writing;
    open ??= begin();
    const batch = open;
    batch.records += records.length;
    for (const [record, activity] of activities) batch.activities.set(record, activity);
    if (signal.aborted) batch.flushNow();
    else if (!batch.signals.has(signal)) {
      batch.signals.add(signal);
      // One per batch that waits: with many partitions more than the ten that Node takes for a leak.
      setMaxListeners(0, signal);
      signal.addEventListener('abort', batch.flushNow);
    }
    // The log hands over at most twice `batchSize` records that are not done: counting only the activities could wait for
    // records that are not handed over before this flush.
    if (batch.records >= batchSize) flush(batch);
    return batch.written;
  }

  return {
    /** Of each partition at most twice a batch is in memory: one that is written and one that is taken. */
    async start(): Promise<Consumption> {
      const { end } = pubSub.subscribe([erasedTopic], ({ value }) => forget(value));
      const consumption = await log.consume(metricsGroup, counted, take, { ahead: 2 * batchSize });
      return { stop: () => consumption.stop().finally(end) };
    },
    /** When a batch was last written; undefined before the first time. */
    succeededAt: () => succeededAt,
    /** Records that are not counted yet, over all processes; some always, until the next flush. Rejects with UNAVAILABLE. */
    lag: (): Promise<bigint> => log.lag(metricsGroup, counted),
    /** Activities that this process counted as `other`, for want of room for their types. */
    others: (): number => others,
  };
}

/** Buckets of one flush that are pushed. */
const maxPublished = 500;

/** The activities of the records, but for those that are too old. The projections keep unreadable records as dead letters. */
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

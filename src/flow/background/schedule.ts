import { setTimeout as delay } from 'node:timers/promises';
import { runEach } from '../../async/run-each.ts';
import { isRetriable, tookTooLong } from '../../domain/error.ts';
import { badgeOf } from '../../domain/inbox.ts';
import { createInboxBatch } from '../../domain/inbox-batch.ts';
import { changedAt, statusAt } from '../../domain/limit.ts';
import { userKeyOf } from '../../domain/user.ts';
import type { BadgeCache } from '../../ports/badge-cache.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { DueRow, DueStore, DueTransaction } from '../../ports/store/due.ts';
import type { HealthStore } from '../../ports/store/health.ts';
import type { LimitTransaction } from '../../ports/store/limits.ts';
import type { Transactions } from '../../ports/store/transactions.ts';
import type { WaitingStore } from '../../ports/store/waiting.ts';
import { createWaiting, type WaitTransaction } from '../apply/waiting.ts';
import { dueTopic } from '../deliver/due.ts';
import { writesOf } from '../deliver/inbox-writes.ts';
import { publishBadges, publishLimits } from '../deliver/publish.ts';

type ScheduleTransaction = DueTransaction & LimitTransaction & WaitTransaction;

interface ScheduleDeps {
  readonly store: WaitingStore & DueStore & HealthStore & Transactions<ScheduleTransaction>;
  readonly pubSub: PubSub;
  readonly cache?: BadgeCache | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface DeliveryOptions {
  readonly lockedCategories: readonly string[];
  /** Whether Unseen announces each delivered notification to other systems. */
  readonly announcesDeliveries: boolean;
}

interface ScheduleOptions extends Partial<DeliveryOptions> {
  /** The maximum sleep, in ms. Defaults to 30 s. */
  readonly maxSleepMs?: number;
}

/** The maximum number of rows in a transaction. */
const batchSize = 500;

/** The time in ms after which the schedule tries again if another transaction has locked a due row. */
const lockedMs = 100;

/** The time in ms for which a row is postponed that cannot be applied. */
const postponeMs = 60_000;

/** Called with the rows of a batch before the batch changes a row. */
type Taking = (due: readonly DueRow[]) => void;

/** Applies one batch of at most `limit` due rows. */
type Step = (limit: number, taking: Taking) => Promise<void>;

/**
 * Creates the schedule, which applies the changes that become due. It delivers scheduled notifications, ends
 * snoozes, expires notifications, starts and ends limits, and applies the records that waited for users who
 * now exist.
 *
 * The schedule knows the next due time and sleeps until then. An announcement of an earlier due time wakes
 * the schedule. The schedule also checks at least every `maxSleepMs`, because an announcement can be lost and
 * a clock can jump. Several workers may run a schedule. The lock of the inbox ensures that exactly one worker
 * applies each row. A row that always fails does not delay other rows.
 */
export function createSchedule(
  deps: ScheduleDeps,
  { lockedCategories = [], announcesDeliveries = false, maxSleepMs = 30_000 }: ScheduleOptions = {},
) {
  const { store, pubSub, clock, logger } = deps;
  const delivery = { lockedCategories, announcesDeliveries };
  const waiting = createWaiting(deps, delivery);
  const stopping = new AbortController();
  const { signal } = stopping;
  const alarm = createAlarm(clock, signal);
  let running: Promise<void> | undefined;
  let stopListening: () => void = () => {};
  let succeededAt: Date | undefined;

  /** Applies one batch of due notifications. Resolves to the number of rows. */
  const deliverDue = () =>
    applyIsolated(deps, (limit, taking) => deliver(deps, delivery, limit, taking), signal);

  /** Starts and ends one batch of limits. Resolves to the number of limits. */
  const updateLimits = () =>
    applyIsolated(deps, (limit, taking) => updateLimitStatuses(deps, limit, taking), signal);

  /** Handles one batch of records that wait for users. Resolves to the number of records. */
  const settleWaiting = () => waiting.settle(signal);

  /** Applies all due changes. Resolves to the time to sleep, in ms. */
  async function work(): Promise<number> {
    let done = Number.POSITIVE_INFINITY;
    while (!signal.aborted && done > 0) {
      const counts = await runEach([settleWaiting, deliverDue, updateLimits]);
      done = counts.reduce((sum, count) => sum + count, 0);
    }
    const next = await store.nextDue();
    if (!next) return maxSleepMs;
    const inMs = next.getTime() - clock.now().getTime();
    return inMs <= 0 ? lockedMs : Math.min(inMs, maxSleepMs);
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      alarm.reset();
      let sleepMs = maxSleepMs;
      try {
        sleepMs = await work();
        succeededAt = clock.now();
      } catch (err) {
        logger.warn({ err }, 'the schedule failed; it tries again');
        sleepMs = 1_000 + 1_000 * Math.random();
      }
      await alarm.sleep(sleepMs);
    }
  }

  return {
    deliverDue,
    updateLimits,
    settleWaiting,
    /** Returns the last time at which all due rows were applied. Undefined if this has not happened yet. */
    succeededAt: () => succeededAt,
    start(): void {
      const { end } = pubSub.subscribe([dueTopic], ({ value }) => alarm.wakeFor(Number(value)));
      const endGap = pubSub.onGap(() => alarm.wake());
      stopListening = () => {
        end();
        endGap();
      };
      running = run();
    },
    async stop(): Promise<void> {
      stopListening();
      stopping.abort();
      await running;
    },
  };
}

/** Creates a sleep that ends early if an earlier due time is announced, or if `signal` aborts. */
function createAlarm(clock: Clock, signal: AbortSignal) {
  let alarm = new AbortController();
  let wakesAt = Number.POSITIVE_INFINITY;
  return {
    /** Begins a round of work. An announcement during the work ends the next sleep. */
    reset(): void {
      alarm = new AbortController();
      wakesAt = Number.POSITIVE_INFINITY;
    },
    sleep(sleepMs: number): Promise<void> {
      wakesAt = clock.now().getTime() + sleepMs;
      return delay(sleepMs, undefined, { signal: AbortSignal.any([alarm.signal, signal]) }).catch(() => {});
    },
    wake: (): void => alarm.abort(),
    /** Ends the sleep if the time `at`, in ms since the epoch, is before the planned end. */
    wakeFor(at: number): void {
      if (at < wakesAt) alarm.abort();
    },
  };
}

/**
 * Delivers and expires one batch of due notifications, and ends their snoozes. Publishes the badges after the
 * commit.
 */
async function deliver(
  { store, pubSub, cache, clock, logger }: ScheduleDeps,
  { lockedCategories, announcesDeliveries }: DeliveryOptions,
  limit: number,
  taking: Taking,
): Promise<void> {
  const now = clock.now();
  const { inboxes, changed } = await store.transaction(async (transaction) => {
    const { locked, due } = await transaction.lockDue(now, limit);
    taking(due);
    const groups = due.flatMap(({ tenantId, userId, groupKey, status }) =>
      groupKey !== null && status === 'SCHEDULED' ? [{ tenantId, userId, groupKey }] : [],
    );
    // These notifications are already in the inbox. With `atHand`, `reachOf` does not return them. A returned
    // notification could expire in this batch before another notification of its group arrives.
    const arrived = due.filter(({ status }) => status === 'DELIVERED');
    const others = await transaction.reachOf({ groups, visits: [], atHand: arrived });
    const inboxBatch = createInboxBatch({ locked, known: [...arrived, ...others], now, lockedCategories });
    for (const row of due) inboxBatch.applyDue(row);
    const writes = inboxBatch.writes();
    transaction.finish(...writesOf(transaction, writes, { announcesDeliveries, now }));
    return { inboxes: writes.touched, changed: writes.changed };
  });
  const ended = new Set(changed.filter(({ status }) => status === 'EXPIRED').map(userKeyOf));
  for (const cause of ['ARRIVED', 'EXPIRED'] as const) {
    const badges = inboxes
      .filter((inbox) => ended.has(userKeyOf(inbox)) === (cause === 'EXPIRED'))
      .map(badgeOf);
    if (badges.length > 0) await publishBadges({ pubSub, cache, logger }, badges, cause);
  }
}

/** Starts and ends one batch of limits. Publishes the limits after the commit. */
async function updateLimitStatuses(
  { store, pubSub, clock, logger }: ScheduleDeps,
  limit: number,
  taking: Taking,
): Promise<void> {
  const now = clock.now();
  const turned = await store.transaction(async (transaction) => {
    const due = await transaction.lockLimitsDue(now, limit);
    taking(due);
    const turned = due.map((limit) => changedAt({ ...limit, status: statusAt(limit, now) }, now));
    await transaction.saveLimits(turned);
    return turned;
  });
  if (turned.length > 0) await publishLimits({ pubSub, logger }, turned);
}

/**
 * Applies one batch. Resolves to the number of its rows.
 *
 * If the batch fails and a retry cannot help, its rows are applied one at a time. The same happens if the
 * batch takes too long while the database is healthy. A row that also fails alone is postponed. So other rows
 * do not wait for this row, and the schedule does not wake for it at once.
 */
async function applyIsolated(deps: ScheduleDeps, step: Step, signal: AbortSignal): Promise<number> {
  const { store, logger } = deps;
  let taken: readonly DueRow[] = [];
  /**
   * Resolves to undefined on success, and to the error if the rows caused it. Rejects with any other error.
   */
  async function attempt(limit: number): Promise<unknown> {
    taken = [];
    try {
      await step(limit, (due) => {
        taken = due;
      });
      return undefined;
    } catch (error) {
      const mayPass = isRetriable(error) && !tookTooLong(error);
      if (mayPass || taken.length === 0) throw error;
      if (tookTooLong(error)) await store.probe();
      return error;
    }
  }

  const reason = await attempt(batchSize);
  const { length } = taken;
  if (reason === undefined) return length;
  logger.warn(
    { err: reason, count: length },
    'a batch of due rows failed; the schedule applies its rows one at a time',
  );
  let count = 0;
  while (count < length && !signal.aborted) {
    const err = await attempt(1);
    const [row] = taken;
    // Other transactions have locked the remaining rows.
    if (!row) break;
    count += 1;
    if (err !== undefined) await postpone(deps, row, err);
  }
  return count;
}

async function postpone({ store, clock, logger }: ScheduleDeps, row: DueRow, err: unknown): Promise<void> {
  const now = clock.now();
  const until = new Date(now.getTime() + postponeMs);
  await store.transaction((transaction) => transaction.postpone(row, now, until));
  const { tenantId, userId } = row;
  const which = 'userLimitId' in row ? { userLimitId: row.userLimitId } : { notificationId: row.id };
  logger.error({ err, tenantId, userId, ...which, until }, 'a due row failed and is postponed');
}

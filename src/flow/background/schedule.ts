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

/** Rows in one transaction. */
const batchSize = 500;

/** A due row that somebody else has locked is looked for again after this. */
const lockedMs = 100;

/** What cannot be done, for a reason that does not pass by itself, comes due again after this. */
const postponeMs = 60_000;

/** Says which rows a batch is about, before anything is done with them. */
type Taking = (due: readonly DueRow[]) => void;

/**
 * Time: delivers what was scheduled, wakes what was snoozed, ends what has expired, begins and ends limits, applies what waits
 * for users who exist by now. It knows the next
 * moment, sleeps until then, and is woken when something earlier is announced. Any number of workers may run it: each row is
 * done once, by whoever has its inbox locked. It looks again every `maxSleepMs`, for what was announced to nobody and for
 * clocks that jump. A row that can never be done holds up no other.
 */
export function createSchedule(
  {
    store,
    pubSub,
    cache,
    clock,
    logger,
  }: {
    readonly store: WaitingStore & DueStore & HealthStore & Transactions<ScheduleTransaction>;
    readonly pubSub: PubSub;
    readonly cache?: BadgeCache;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  {
    lockedCategories = [],
    announcesDeliveries = false,
    maxSleepMs = 30_000,
  }: {
    readonly lockedCategories?: readonly string[];
    /** Whether other systems hear of each delivered notification. */
    readonly announcesDeliveries?: boolean;
    readonly maxSleepMs?: number;
  } = {},
) {
  const waiting = createWaiting(
    { store, pubSub, cache, clock, logger },
    { lockedCategories, announcesDeliveries },
  );
  const stopping = new AbortController();
  let alarm = new AbortController();
  let wakesAt = Number.POSITIVE_INFINITY;
  let running: Promise<void> | undefined;
  let stopListening: () => void = () => {};
  let succeededAt: Date | undefined;

  async function deliver(limit: number, taking: Taking): Promise<void> {
    const now = clock.now();
    const { inboxes, changed } = await store.transaction(async (transaction) => {
      const { locked, due } = await transaction.lockDue(now, limit);
      taking(due);
      const groups = due.flatMap(({ tenantId, userId, groupKey, status }) =>
        groupKey !== null && status === 'SCHEDULED' ? [{ tenantId, userId, groupKey }] : [],
      );
      // Those that are due are there already, and may end before another of their group comes.
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

  async function updateLimitStatuses(limit: number, taking: Taking): Promise<void> {
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
   * Has one batch done; how many rows that were. When it fails for a reason that does not pass by itself, or takes too long
   * while the store is well, they are done one at a time, and what fails alone comes due again later: nothing waits behind it, and it is not what everybody wakes up for.
   */
  async function isolating(work: (limit: number, taking: Taking) => Promise<void>): Promise<number> {
    let taken: readonly DueRow[] = [];
    /** Why it could not be done, when its rows are at fault. */
    async function attempt(limit: number): Promise<unknown> {
      taken = [];
      try {
        await work(limit, (due) => {
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
    logger.warn({ err: reason, count: length }, 'what is due is done one at a time: together it failed');
    let count = 0;
    while (count < length && !stopping.signal.aborted) {
      const err = await attempt(1);
      const [row] = taken;
      // What is left somebody else has locked.
      if (!row) break;
      count += 1;
      if (err !== undefined) await postpone(row, err);
    }
    return count;
  }

  async function postpone(row: DueRow, err: unknown): Promise<void> {
    const now = clock.now();
    const until = new Date(now.getTime() + postponeMs);
    await store.transaction((transaction) => transaction.postpone(row, now, until));
    const { tenantId, userId } = row;
    const which = 'userLimitId' in row ? { userLimitId: row.userLimitId } : { notificationId: row.id };
    logger.error({ err, tenantId, userId, ...which, until }, 'what is due could not be done and is put off');
  }

  /** One batch of what is due; how many rows that were. */
  const deliverDue = () => isolating(deliver);

  /** One batch of limits that begin or end; how many. */
  const updateLimits = () => isolating(updateLimitStatuses);

  /** One batch of what waits for users; how many. */
  const settleWaiting = () => waiting.settle(stopping.signal);

  /** Does what is due; how long it may sleep then, in ms. */
  async function work(): Promise<number> {
    let done = Number.POSITIVE_INFINITY;
    while (!stopping.signal.aborted && done > 0) {
      const counts = await runEach([settleWaiting, deliverDue, updateLimits]);
      done = counts.reduce((sum, count) => sum + count, 0);
    }
    const next = await store.nextDue();
    if (!next) return maxSleepMs;
    const inMs = next.getTime() - clock.now().getTime();
    return inMs <= 0 ? lockedMs : Math.min(inMs, maxSleepMs);
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      // What is announced while it works is for the next round.
      alarm = new AbortController();
      wakesAt = Number.POSITIVE_INFINITY;
      let sleepMs = maxSleepMs;
      try {
        sleepMs = await work();
        succeededAt = clock.now();
      } catch (err) {
        logger.warn({ err }, 'what is due could not be delivered; trying again');
        sleepMs = 1_000 + 1_000 * Math.random();
      }
      wakesAt = clock.now().getTime() + sleepMs;
      await delay(sleepMs, undefined, { signal: AbortSignal.any([alarm.signal, stopping.signal]) }).catch(
        () => {},
      );
    }
  }

  return {
    deliverDue,
    updateLimits,
    settleWaiting,
    /** When everything that was due was last done; undefined before the first time. */
    succeededAt: () => succeededAt,
    start(): void {
      const { end } = pubSub.subscribe([dueTopic], ({ value }) => {
        if (Number(value) < wakesAt) alarm.abort();
      });
      const endGap = pubSub.onGap(() => alarm.abort());
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

import { setTimeout as delay } from 'node:timers/promises';
import { bucketBounds } from '../../domain/activity.ts';
import { AppError, isRetriable } from '../../domain/error.ts';
import { type LimitKey, limitDueAt } from '../../domain/limit.ts';
import type { LimitThresholds } from '../../domain/limit-use.ts';
import type { UserKey } from '../../domain/user.ts';
import { topics } from '../../events/topic.ts';
import type { BadgeCache } from '../../ports/badge-cache.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EventLog } from '../../ports/event-log.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { ActivityTransaction, MetricsDifference } from '../../ports/store/activity.ts';
import type { InboxStore, InboxTransaction } from '../../ports/store/inboxes.ts';
import type { LimitStore, LimitTransaction } from '../../ports/store/limits.ts';
import type { ExclusiveWork, Transactions } from '../../ports/store/transactions.ts';
import type { UserStore, UserTransaction } from '../../ports/store/users.ts';
import { projectionGroup } from '../apply/consume.ts';
import { announceDue } from '../deliver/due.ts';
import { publishLimits } from '../deliver/publish.ts';
import { refoldLimits } from './rebuild-limits.ts';
import { createReconcile } from './reconcile.ts';

/** Inboxes that are compared at once, or limits in one transaction. */
const rowsAtOnce = 200;

/** Days of one rebuild: as many as can be kept. */
const maxDays = 4_000;

/** How long nobody counts while the projections catch up, in ms, before the day is tried again. */
const settleMs = 1_500;

type RebuildTransaction = UserTransaction & InboxTransaction & ActivityTransaction & LimitTransaction;

interface Deps {
  readonly store: UserStore & InboxStore & LimitStore & ExclusiveWork & Transactions<RebuildTransaction>;
  readonly log: EventLog;
  readonly pubSub: PubSub;
  readonly cache: BadgeCache;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What was found of one day. */
export interface RebuiltDay {
  readonly day: Date;
  readonly difference: MetricsDifference;
}

/** What was found of some inboxes. */
export interface RebuiltBadges {
  readonly checked: number;
  readonly differed: number;
  readonly upTo: UserKey;
}

/** What was found of some limits. */
export interface RebuiltLimits {
  readonly checked: number;
  readonly differed: number;
  /** Left alone: they stand on events that are not kept, or that nobody can read. */
  readonly unfounded: number;
}

/**
 * Recounts from the raw rows, beside live traffic, and repairs what differs; a dry run only says what. Each day, each
 * inbox that differs and some limits at a time have a transaction of their own: an interrupted rebuild begins again, and finds
 * no difference in what it repaired.
 */
export function createRebuild(
  { store, log, pubSub, cache, clock, logger }: Deps,
  {
    logRetentionDays,
    limitThresholds,
    attempts = 20,
  }: {
    readonly logRetentionDays: number;
    /** When users are told that a limit runs out; absent: never. */
    readonly limitThresholds?: LimitThresholds;
    readonly attempts?: number;
  },
) {
  const reconcile = createReconcile({ store, pubSub, cache, clock, logger });

  /** Resolves when the projections have applied all there is. Rejects with UNAVAILABLE when they do not get there. */
  async function settled(): Promise<void> {
    const deadline = performance.now() + settleMs;
    while ((await log.lag(projectionGroup, Object.values(topics))) > 0n) {
      if (performance.now() > deadline)
        throw new AppError('UNAVAILABLE', 'The projections are behind; try again.');
      await delay(20);
    }
  }

  /** Tries again, up to `attempts` times, while the database is away or holds a lock for too long. */
  async function persistently<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        if (!isRetriable(error) || attempt === attempts) throw error;
        await delay(500 * Math.random() + 100 * attempt);
      }
    }
  }

  const inTransaction = <T>(work: (transaction: RebuildTransaction) => Promise<T>) =>
    persistently(() => store.transaction(work));

  const day = (from: Date, to: Date, dryRun: boolean) =>
    inTransaction((transaction) => {
      const pendingSince = new Date(clock.now().getTime() - logRetentionDays * 86_400_000);
      return transaction.recountMetrics({ from, to, pendingSince, dryRun, settled });
    });

  return {
    /** The metrics of the days of UTC that `[from, to)` touches, oldest first; undefined when a rebuild is running. */
    async metrics(
      range: { readonly from: Date; readonly to: Date },
      { dryRun }: { readonly dryRun: boolean },
      onDay: (rebuilt: RebuiltDay) => void,
    ): Promise<boolean> {
      const bounds = bucketBounds(range, 'DAY', 'UTC', maxDays);
      if (!bounds) throw new AppError('BAD_USER_INPUT', `A rebuild is of at most ${maxDays} days.`);
      return store.exclusively('unseen rebuild metrics', async () => {
        for (const [n, from] of bounds.slice(0, -1).entries()) {
          onDay({ day: from, difference: await day(from, bounds[n + 1] as Date, dryRun) });
        }
      });
    },

    /** The badges of every inbox; false when a rebuild is running. */
    async badges(
      { dryRun }: { readonly dryRun: boolean },
      onSome: (rebuilt: RebuiltBadges) => void,
    ): Promise<boolean> {
      return store.exclusively('unseen rebuild badges', async () => {
        for (let after: UserKey | undefined; ; ) {
          const keys = await store.inboxKeys({ first: rowsAtOnce, ...(after && { after }) });
          after = keys.at(-1);
          if (!after) return;
          let differed = 0;
          for (const inbox of await persistently(() => reconcile.findDrifted(keys))) {
            if (dryRun || (await persistently(() => reconcile.repair(inbox)))) differed += 1;
          }
          onSome({ checked: keys.length, differed, upTo: after });
        }
      });
    },

    /** Every limit, from its events that are kept; false when a rebuild is running. */
    async limits(
      { dryRun }: { readonly dryRun: boolean },
      onSome: (rebuilt: RebuiltLimits) => void,
    ): Promise<boolean> {
      return store.exclusively('unseen rebuild limits', async () => {
        for (let after: LimitKey | undefined; ; ) {
          const keys = await store.limitKeys({ first: rowsAtOnce, ...(after && { after }) });
          after = keys.at(-1);
          if (!after) return;
          const { differing, unfounded } = await inTransaction(async (transaction) => {
            const refolded = await refoldLimits(transaction, keys, {
              now: clock.now(),
              thresholds: limitThresholds,
            });
            if (!dryRun) await transaction.saveLimits(refolded.differing);
            return refolded;
          });
          if (!dryRun && differing.length > 0) {
            await publishLimits({ pubSub, logger }, differing);
            await announceDue(pubSub, differing.map(limitDueAt));
          }
          onSome({ checked: keys.length, differed: differing.length, unfounded });
        }
      });
    },
  };
}

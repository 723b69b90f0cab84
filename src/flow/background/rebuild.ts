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

/** The maximum number of inboxes that are compared at the same time, and of limits in one transaction. */
const rowsAtOnce = 200;

/** The maximum number of days of a rebuild. It equals the longest possible retention. */
const maxDays = 4_000;

/**
 * The maximum time in ms for which counting is paused while the projections catch up. If they do not catch
 * up, the day is tried again.
 */
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

interface RebuildOptions {
  readonly logRetentionDays: number;
  /** The thresholds at which users are notified about their limits. If absent, limits get no threshold. */
  readonly limitThresholds?: LimitThresholds;
  /** The maximum number of attempts of a step. Defaults to 20. */
  readonly attempts?: number;
}

interface DryRun {
  /** If true, the rebuild only reports the differences. */
  readonly dryRun: boolean;
}

/** The result of a rebuild of one day. */
export interface RebuiltDay {
  readonly day: Date;
  readonly difference: MetricsDifference;
}

/** The result of a rebuild of some inboxes. */
export interface RebuiltBadges {
  readonly checked: number;
  readonly differed: number;
  readonly upTo: UserKey;
}

/** The result of a rebuild of some limits. */
export interface RebuiltLimits {
  readonly checked: number;
  readonly differed: number;
  /**
   * The number of limits that the rebuild did not change, because some of their events are removed or
   * unreadable.
   */
  readonly unfounded: number;
}

/**
 * Creates the functions that compute metrics, badges and limits again from the raw rows and repair the
 * differences. The functions may run during live traffic. A dry run only reports the differences. Each day,
 * each inbox that differs, and each group of limits is repaired in its own transaction. After an
 * interruption, a new rebuild starts from the beginning and finds no differences in the repaired part.
 */
export function createRebuild(
  deps: Deps,
  { logRetentionDays, limitThresholds, attempts = 20 }: RebuildOptions,
) {
  const { store, pubSub, cache, clock, logger } = deps;
  const reconcile = createReconcile({ store, pubSub, cache, clock, logger });
  const retry: Retry = (work) => persistently(work, attempts);

  return {
    /**
     * Rebuilds the metrics of the UTC days that overlap `[from, to)`, oldest first. Returns false if another
     * rebuild is running.
     */
    async metrics(
      range: { readonly from: Date; readonly to: Date },
      { dryRun }: DryRun,
      onDay: (rebuilt: RebuiltDay) => void,
    ): Promise<boolean> {
      const bounds = bucketBounds(range, 'DAY', 'UTC', maxDays);
      if (!bounds)
        throw new AppError(
          'BAD_USER_INPUT',
          `A rebuild covers at most ${maxDays} days. Choose a shorter range.`,
        );
      const rebuild = (from: Date, to: Date) =>
        rebuildDay(deps, { from, to, logRetentionDays, dryRun }, retry);
      return store.exclusively('unseen rebuild metrics', async () => {
        for (const [n, from] of bounds.slice(0, -1).entries()) {
          onDay({ day: from, difference: await rebuild(from, bounds[n + 1] as Date) });
        }
      });
    },

    /** Rebuilds the badges of every inbox. Returns false if another rebuild is running. */
    async badges({ dryRun }: DryRun, onSome: (rebuilt: RebuiltBadges) => void): Promise<boolean> {
      return store.exclusively('unseen rebuild badges', async () => {
        for (let after: UserKey | undefined; ; ) {
          const keys = await store.inboxKeys({ first: rowsAtOnce, ...(after && { after }) });
          after = keys.at(-1);
          if (!after) return;
          let differed = 0;
          for (const inbox of await retry(() => reconcile.findDrifted(keys))) {
            if (dryRun || (await retry(() => reconcile.repair(inbox)))) differed += 1;
          }
          onSome({ checked: keys.length, differed, upTo: after });
        }
      });
    },

    /** Rebuilds every limit from its stored events. Returns false if another rebuild is running. */
    async limits({ dryRun }: DryRun, onSome: (rebuilt: RebuiltLimits) => void): Promise<boolean> {
      return store.exclusively('unseen rebuild limits', async () => {
        for (let after: LimitKey | undefined; ; ) {
          const keys = await store.limitKeys({ first: rowsAtOnce, ...(after && { after }) });
          after = keys.at(-1);
          if (!after) return;
          onSome(await rebuildLimits(deps, keys, { limitThresholds, dryRun }, retry));
        }
      });
    },
  };
}

type Retry = <T>(work: () => Promise<T>) => Promise<T>;

/** Runs `work` up to `attempts` times while the database is unreachable or a lock is held for too long. */
async function persistently<T>(work: () => Promise<T>, attempts: number): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isRetriable(error) || attempt === attempts) throw error;
      await delay(500 * Math.random() + 100 * attempt);
    }
  }
}

/** Resolves when the projections have applied every event of the log. Rejects with UNAVAILABLE after `settleMs`. */
async function settled(log: EventLog): Promise<void> {
  const deadline = performance.now() + settleMs;
  while ((await log.lag(projectionGroup, Object.values(topics))) > 0n) {
    if (performance.now() > deadline)
      throw new AppError('UNAVAILABLE', 'The projections are behind; try again.');
    await delay(20);
  }
}

function rebuildDay(
  { store, log, clock }: Deps,
  {
    from,
    to,
    logRetentionDays,
    dryRun,
  }: DryRun & { readonly from: Date; readonly to: Date; readonly logRetentionDays: number },
  retry: Retry,
): Promise<MetricsDifference> {
  return retry(() =>
    store.transaction((transaction) => {
      const pendingSince = new Date(clock.now().getTime() - logRetentionDays * 86_400_000);
      return transaction.recountMetrics({ from, to, pendingSince, dryRun, settled: () => settled(log) });
    }),
  );
}

async function rebuildLimits(
  { store, pubSub, clock, logger }: Deps,
  keys: readonly LimitKey[],
  { limitThresholds, dryRun }: DryRun & { readonly limitThresholds: LimitThresholds | undefined },
  retry: Retry,
): Promise<RebuiltLimits> {
  const { differing, unfounded } = await retry(() =>
    store.transaction(async (transaction) => {
      const refolded = await refoldLimits(transaction, keys, {
        now: clock.now(),
        thresholds: limitThresholds,
      });
      if (!dryRun) await transaction.saveLimits(refolded.differing);
      return refolded;
    }),
  );
  if (!dryRun && differing.length > 0) {
    await publishLimits({ pubSub, logger }, differing);
    await announceDue(pubSub, differing.map(limitDueAt));
  }
  return { checked: keys.length, differed: differing.length, unfounded };
}

import type { Badge } from '../../domain/badge.ts';
import { badgeOf, type Inbox, withCounts } from '../../domain/inbox.ts';
import { type Problem, userNotFound } from '../../domain/problem.ts';
import type { UserKey } from '../../domain/user.ts';
import type { BadgeCache } from '../../ports/badge-cache.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { InboxStore, InboxTransaction, Recounted } from '../../ports/store/inboxes.ts';
import type { Transactions } from '../../ports/store/transactions.ts';
import type { UserStore } from '../../ports/store/users.ts';
import { publishBadges } from '../deliver/publish.ts';

/** The result of a recount: the badge before and after. Both are equal if the badge was correct. */
export interface Reconciled {
  readonly before: Badge;
  readonly after: Badge;
  /** The sum of the errors of unseen and unread. 0 if the badge was correct. */
  readonly drift: number;
}

const driftOf = ({ inbox, counts }: Recounted) =>
  Math.abs(inbox.unseen - counts.unseen) + Math.abs(inbox.unread - counts.unread);

const isOff = (recounted: Recounted) => driftOf(recounted) > 0;

/**
 * Creates the functions that compare the counters of inboxes with their rows. Every writer changes the
 * counters and the rows in one transaction, so they should never differ. A manual change of the database or a
 * bug can still cause a difference. The comparison finds and repairs it. Badges of items have no counters,
 * because their items are counted when a badge is read.
 */
export function createReconcile({
  store,
  pubSub,
  cache,
  clock,
  logger,
}: {
  readonly store: UserStore & InboxStore & Transactions<InboxTransaction>;
  readonly pubSub: PubSub;
  readonly cache?: BadgeCache | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}) {
  let repaired = 0;

  /**
   * Locks an inbox and recounts it. If a counter differs, writes the correct counters with a newer version,
   * publishes the badge and resolves to the recount. Otherwise resolves to undefined.
   */
  async function repair({ tenantId, userId }: UserKey): Promise<Recounted | undefined> {
    const user = { tenantId, userId };
    const now = clock.now();
    const off = await store.transaction(async (transaction) => {
      await transaction.lockInboxes([user], now);
      const [found] = (await transaction.recount([user])).filter(isOff);
      if (found) await transaction.saveInboxes([withCounts(found.inbox, found.counts, now)]);
      return found;
    }, user);
    if (!off) return undefined;
    repaired += 1;
    logger.error({ tenantId, drift: driftOf(off) }, 'a badge differed from its rows and was repaired');
    await publishBadges(
      { pubSub, cache, logger },
      [badgeOf(withCounts(off.inbox, off.counts, now))],
      'RECONCILED',
    );
    return off;
  }

  return {
    /** Recounts a badge. Repairs the badge unless the call is a dry run. */
    async badge(
      user: UserKey,
      { dryRun }: { readonly dryRun: boolean },
    ): Promise<Reconciled | { readonly problem: Problem }> {
      const [[exists], [inbox]] = await Promise.all([store.users([user]), store.inboxes([user])]);
      if (!exists || !inbox) return { problem: userNotFound(['userId']) };
      const off = dryRun ? (await store.recount([user])).find(isOff) : await repair(user);
      if (!off) return { before: badgeOf(inbox), after: badgeOf(inbox), drift: 0 };
      return {
        before: badgeOf(off.inbox),
        after: badgeOf(withCounts(off.inbox, off.counts, clock.now())),
        drift: driftOf(off),
      };
    },

    /** Returns the inboxes whose counters differ from their rows at this moment. Does not repair them. */
    findDrifted: async (users: readonly UserKey[]): Promise<readonly Inbox[]> =>
      (await store.recount(users)).filter(isOff).map(({ inbox }) => inbox),

    repair,

    /** Recounts about `size` random inboxes, and repairs the inboxes with wrong counters. */
    async sample(size: number): Promise<void> {
      for (const { inbox } of (await store.recountSample(size)).filter(isOff)) await repair(inbox);
    },

    /**
     * Recounts about `size` random inboxes. Resolves to the number of inboxes with wrong counters. Does not
     * repair them.
     */
    countDrift: async (size: number): Promise<number> =>
      (await store.recountSample(size)).filter(isOff).length,

    /** Returns the number of badges that this process has repaired. */
    repaired: () => repaired,
  };
}

export type Reconcile = ReturnType<typeof createReconcile>;

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

/** What a recount found: the badge as it was shown and as it is by the rows, the same when it was true. */
export interface Reconciled {
  readonly before: Badge;
  readonly after: Badge;
  /** By how much it was off, unseen and unread together; 0 when it was true. */
  readonly drift: number;
}

const driftOf = ({ inbox, counts }: Recounted) =>
  Math.abs(inbox.unseen - counts.unseen) + Math.abs(inbox.unread - counts.unread);

const isOff = (recounted: Recounted) => driftOf(recounted) > 0;

/**
 * Compares the counters of inboxes with a count of the rows. Every writer keeps both in one transaction, so they never
 * differ; should they ever, by a hand in the database or a mistake of ours, this finds and mends it. Items have no counters:
 * their badges are counted when read.
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
   * Counts an inbox again under its lock. If a counter differs, writes it with a newer version, pushes the badge and resolves to
   * what it found; else resolves to undefined.
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
    /** Recounts one badge and, unless it is a dry run, repairs it. */
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

    /** The inboxes whose counters differ from their rows at this moment. Repairs nothing. */
    findDrifted: async (users: readonly UserKey[]): Promise<readonly Inbox[]> =>
      (await store.recount(users)).filter(isOff).map(({ inbox }) => inbox),

    repair,

    /** Recounts about so many inboxes, drawn at random, and repairs those that are off. */
    async sample(size: number): Promise<void> {
      for (const { inbox } of (await store.recountSample(size)).filter(isOff)) await repair(inbox);
    },

    /** How many badges of about so many, drawn at random, are off at this moment. Repairs nothing. */
    countDrift: async (size: number): Promise<number> =>
      (await store.recountSample(size)).filter(isOff).length,

    /** How many badges this process has repaired. */
    repaired: () => repaired,
  };
}

export type Reconcile = ReturnType<typeof createReconcile>;

import { itemsKey } from '../../domain/badge.ts';
import { badgeOf, emptyInbox } from '../../domain/inbox.ts';
import { type Problem, userNotFound } from '../../domain/problem.ts';
import { type UserKey, userKeyOf } from '../../domain/user.ts';
import type { BadgeCache } from '../../ports/badge-cache.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { ErasureTransaction } from '../../ports/store/erasure.ts';
import type { Transactions } from '../../ports/store/transactions.ts';
import { erasedTopic, publishBadges, publishMove } from '../deliver/publish.ts';

/** The number of rows of a user that one step deletes. A step takes about ten milliseconds. */
const rowsAtOnce = 2_000;

/**
 * Removes all data about a user. Returns undefined, or a problem if there is no data about the user.
 * The rows of a user are removed in steps, so that other writers do not wait long. Each step also corrects
 * the counters that include the removed rows. The last step waits for all transactions that write about the
 * user. If a call is interrupted, another call continues the erasure. Events about the user that are applied
 * during the erasure or later belong to a new user with the same id.
 * Watchers receive a badge of 0. The version of this badge is newer than every earlier version, so this badge
 * also replaces the cached badge.
 */
export async function eraseUser(
  {
    store,
    clock,
    ...publish
  }: {
    readonly store: Transactions<ErasureTransaction>;
    readonly pubSub: PubSub;
    readonly cache?: BadgeCache | undefined;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  user: UserKey,
): Promise<Problem | undefined> {
  const now = clock.now();
  const { hadAnyBefore, logUpTo } = await eraseMost(store, clock, user);
  const { hadAny, version, collections } = await store.transaction(
    async (transaction) => ({
      ...(await transaction.eraseUser(user, logUpTo)),
      collections: await transaction.forgetItemViews(user, now),
    }),
    user,
  );
  // If this message is lost, the next flush of a worker counts the activity of the user that the worker has
  // in memory. The rows of the metrics then name the user again.
  await publish.pubSub.publish([{ topic: erasedTopic, value: userKeyOf(user) }]).catch(() => {});
  if (!hadAny && !hadAnyBefore) return userNotFound(['userId']);
  if (version !== undefined) {
    await publishBadges(publish, [badgeOf(emptyInbox(user, now, version))], 'RESYNCED');
  }
  await Promise.all(
    collections.map((collection) =>
      publishMove(publish, user.tenantId, { key: itemsKey(collection), cause: 'RESYNCED' }),
    ),
  );
  return undefined;
}

/** Erases in steps until the remaining rows fit into one transaction. */
async function eraseMost(store: Transactions<ErasureTransaction>, clock: Clock, user: UserKey) {
  let hadAnyBefore = false;
  for (let logUpTo = 0n; ; ) {
    const from = logUpTo;
    const step = await store.transaction(
      (transaction) => transaction.eraseSome(user, { size: rowsAtOnce, logUpTo: from, now: clock.now() }),
      user,
    );
    hadAnyBefore ||= step.rows > 0;
    logUpTo = step.logUpTo;
    if (step.isRestFew) return { hadAnyBefore, logUpTo };
  }
}

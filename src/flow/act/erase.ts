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

/** Rows of a user that go in one step: some ten milliseconds. */
const rowsAtOnce = 2_000;

/**
 * Removes everything about a user. What is much goes in steps that hold nobody else up, each with the counters it changes; the
 * last step waits for everybody who writes. A call that was cut off is continued by calling again. What arrives later, or is being applied at this moment, is about a new one of the same
 * name. Undefined when it is done. Whoever watches sees 0, by a version newer than theirs, which also replaces what is cached.
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
  // Lost, what a worker gathers about the user is counted within a flush, and names them in the metrics.
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

/** Erases in steps until little is left. */
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

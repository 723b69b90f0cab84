import type { Badge } from '../domain/badge.ts';
import { badgeOf, open, watermarkAfterOpening } from '../domain/inbox.ts';
import { type Problem, userNotFound } from '../domain/problem.ts';
import type { UserKey, UserPatch } from '../domain/user.ts';
import type { BadgeCache } from '../ports/badge-cache.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { PubSub } from '../ports/pub-sub.ts';
import type { DeadLetterFilter, Store } from '../ports/store.ts';
import { eraseUser } from './erase.ts';
import { type PreferencesChange, type Preferred, updatePreferences } from './prefer.ts';
import { publishBadges } from './publish.ts';

/**
 * What a user or an admin does and expects to see in the reply: one transaction, then publish. Rejects with UNAVAILABLE:
 * unknown whether done; doing it again is harmless.
 */
export function createAct({
  store,
  pubSub,
  cache,
  clock,
  logger,
}: {
  readonly store: Store;
  readonly pubSub: PubSub;
  readonly cache?: BadgeCache;
  readonly clock: Clock;
  readonly logger: Logger;
}) {
  return {
    /**
     * Opens the inbox: everything up to `upToSeq` was shown, by default everything that has arrived. What arrives after
     * that stays unseen. Unseen is counted anew from the rows.
     */
    async openInbox(
      key: UserKey,
      upToSeq: bigint | undefined,
    ): Promise<{ readonly badge: Badge } | { readonly problem: Problem }> {
      const now = clock.now();
      const opened = await store.transaction(async (transaction) => {
        const [locked] = await transaction.lockInboxes([key], now);
        if (!locked) return undefined;
        const { inbox } = locked;
        const openedSeq = watermarkAfterOpening(inbox, upToSeq);
        const next = open(inbox, openedSeq, await transaction.countUnseen(key, openedSeq), now);
        await transaction.saveInboxes([next]);
        if (openedSeq > inbox.openedSeq) await transaction.addOpening(key, openedSeq, now);
        return next;
      });
      if (!opened) return { problem: userNotFound(['input', 'userId']) };
      const badge = badgeOf(opened);
      await publishBadges({ pubSub, cache, logger }, [badge], 'OPENED');
      return { badge };
    },

    /**
     * Puts dead letters back on their topics; the ids of those that were there. Each is either kept here or on its way, and
     * when it fails again it comes back as a new dead letter. `tenantIds` says whose; absent: everybody's.
     */
    retryDeadLetters(
      ids: readonly string[],
      filter: Pick<DeadLetterFilter, 'tenantIds'>,
    ): Promise<readonly string[]> {
      return store.transaction((transaction) => transaction.requeueDeadLetters(ids, filter, clock.now()));
    },

    /** Creates or changes users; per patch whether it created. */
    upsertUsers(patches: readonly (UserKey & { readonly patch: UserPatch })[]): Promise<readonly boolean[]> {
      return store.transaction((transaction) => transaction.patchUsers(patches, clock.now()));
    },

    updatePreferences: (
      user: UserKey,
      change: PreferencesChange,
    ): Promise<Preferred | { readonly problem: Problem }> =>
      updatePreferences({ store, clock }, user, change),

    eraseUser: (user: UserKey): Promise<Problem | undefined> =>
      eraseUser({ store, pubSub, cache, clock, logger }, user),
  };
}

export type Act = ReturnType<typeof createAct>;

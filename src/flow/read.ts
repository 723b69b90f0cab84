import DataLoader from 'dataloader';
import type { Badge } from '../domain/badge.ts';
import { badgeOf, emptyInbox, type Inbox } from '../domain/inbox.ts';
import { type User, type UserKey, userKeyOf } from '../domain/user.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store } from '../ports/store.ts';

/** Reads that many callers make at once: those of one turn of the event loop become one query. */
export function createRead({ store, clock }: { readonly store: Store; readonly clock: Clock }) {
  // Not cached: every load is answered by a query that starts after it was asked for.
  const inboxes = new DataLoader<UserKey, Inbox, string>(
    async (keys) => {
      const found = new Map((await store.inboxes(keys)).map((inbox) => [userKeyOf(inbox), inbox]));
      const now = clock.now();
      return keys.map((key) => found.get(userKeyOf(key)) ?? emptyInbox(key, now));
    },
    {
      cache: false,
      maxBatchSize: 1_000,
      cacheKeyFn: userKeyOf,
      batchScheduleFn: (dispatch) => setImmediate(dispatch),
    },
  );

  return {
    inbox: (key: UserKey): Promise<Inbox> => inboxes.load(key),
    badge: async (key: UserKey): Promise<Badge> => badgeOf(await inboxes.load(key)),
    user: async (key: UserKey): Promise<User | undefined> => (await store.users([key]))[0],
    /** The user whom a verified token names: exists from the first time they are seen. */
    async self(key: UserKey): Promise<User> {
      const [known] = await store.users([key]);
      if (known) return known;
      return store.transaction(async (transaction) => {
        await transaction.ensureUsers([key], clock.now());
        return (await transaction.users([key]))[0] as User;
      });
    },
  };
}

export type Read = ReturnType<typeof createRead>;

import type { LimitFilter } from '../../domain/limit.ts';
import type { User, UserKey } from '../../domain/user.ts';
import type { LimitedUser, LimitStore } from '../../ports/store/limits.ts';
import type { UserStore } from '../../ports/store/users.ts';
import { readSlice, type Slice } from './slice.ts';

/** Reads users. */
export function createUserReads({ store }: { readonly store: UserStore & LimitStore }) {
  return {
    /** Returns the users of a tenant after the user id `after`, sorted by user id. */
    list: (
      tenantId: string,
      { first, after }: { readonly first: number; readonly after: string | undefined },
    ): Promise<Slice<User>> =>
      readSlice(first, (first) => store.usersOf(tenantId, { first, ...(after !== undefined && { after }) })),
    count: (tenantId: string): Promise<number> => store.countUsers(tenantId),
    /** Returns a user with their limits, in one query. Undefined if the user does not exist. */
    async withLimits(key: UserKey, filter: LimitFilter): Promise<LimitedUser | undefined> {
      const [found] = await store.limits([key], filter);
      return found;
    },
  };
}

export type UserReads = ReturnType<typeof createUserReads>;

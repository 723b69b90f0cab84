import type { User, UserKey, UserPatch } from '../../domain/user.ts';

/** Reads users. */
export interface UserStore {
  /** The users that exist, in no order. */
  users(keys: readonly UserKey[]): Promise<readonly User[]>;
  /** The users of a tenant after the id `after`, by user id. Ids are compared as text, always in the same way. */
  usersOf(
    tenantId: string,
    page: { readonly first: number; readonly after?: string },
  ): Promise<readonly User[]>;
  countUsers(tenantId: string): Promise<number>;
}

export interface UserTransaction {
  /**
   * Creates the users that do not exist, with defaults. Records that wait for a created user are due from now on. Returns
   * whether there are any such records.
   */
  ensureUsers(keys: readonly UserKey[], now: Date): Promise<boolean>;
  /**
   * Creates or changes users, each at most once in a call. Returns per patch whether the user was created. Records that wait
   * for a created user are due from now on.
   */
  patchUsers(
    patches: readonly (UserKey & { readonly patch: UserPatch })[],
    now: Date,
  ): Promise<readonly boolean[]>;
  users(keys: readonly UserKey[]): Promise<readonly User[]>;
  /** The users that exist, locked until the end of the transaction. */
  lockUsers(keys: readonly UserKey[]): Promise<readonly User[]>;
}

import type { User, UserKey, UserPatch } from '../../domain/user.ts';

/** Reads users. */
export interface UserStore {
  /** Returns the users that exist, in no order. */
  users(keys: readonly UserKey[]): Promise<readonly User[]>;
  /**
   * Returns the users of a tenant after the id `after`, sorted by user id. Ids are compared as text, in the
   * same way in every database.
   */
  usersOf(
    tenantId: string,
    page: { readonly first: number; readonly after?: string },
  ): Promise<readonly User[]>;
  countUsers(tenantId: string): Promise<number>;
}

export interface UserTransaction {
  /**
   * Creates the users that do not exist, with defaults. Records that wait for a created user become due.
   * Returns whether there are such records.
   */
  ensureUsers(keys: readonly UserKey[], now: Date): Promise<boolean>;
  /**
   * Creates or changes users. The array must not contain a user twice. Returns per patch whether the user was
   * created. Records that wait for a created user become due.
   */
  patchUsers(
    patches: readonly (UserKey & { readonly patch: UserPatch })[],
    now: Date,
  ): Promise<readonly boolean[]>;
  users(keys: readonly UserKey[]): Promise<readonly User[]>;
  /** Locks the users that exist until the end of the transaction and returns them. */
  lockUsers(keys: readonly UserKey[]): Promise<readonly User[]>;
}

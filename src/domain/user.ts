/** Identifies a user. The caller chooses user ids, which are unique within a tenant. */
export interface UserKey {
  readonly tenantId: string;
  readonly userId: string;
}

export interface User extends UserKey {
  /** An IANA time zone. The days of this user follow this zone. */
  readonly timeZone: string;
  readonly canReceiveNotifications: boolean;
  readonly createdAt: Date;
}

/** Changes to a user. An absent field keeps its value. `null` restores the default. */
export interface UserPatch {
  readonly timeZone?: string | null | undefined;
  readonly canReceiveNotifications?: boolean | null | undefined;
}

export const userDefaults = { timeZone: 'UTC', canReceiveNotifications: true } as const;

/**
 * Returns the user as one string, `tenant/user`. A tenant id contains no slash. Records about the user have
 * this string as their key in the log.
 */
export function userKeyOf({ tenantId, userId }: UserKey): string {
  return `${tenantId}/${userId}`;
}

/** Returns the distinct keys, sorted. Every transaction locks the rows of several users in this order. */
export function distinctUsers(keys: Iterable<UserKey>): readonly UserKey[] {
  const byKey = new Map<string, UserKey>();
  for (const { tenantId, userId } of keys) byKey.set(`${tenantId}/${userId}`, { tenantId, userId });
  return [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, key]) => key);
}

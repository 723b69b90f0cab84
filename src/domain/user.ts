/** Identifies a user. The caller chooses user ids, which are unique within a tenant. */
export interface UserKey {
  readonly tenantId: string;
  readonly userId: string;
}

export interface User extends UserKey {
  /** IANA name. The days of this user follow this zone. */
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

/** One string per user, `tenant/user`. A tenant contains no slash. It is also the key of the user's records in the log. */
export function userKeyOf({ tenantId, userId }: UserKey): string {
  return `${tenantId}/${userId}`;
}

/** The distinct keys, sorted. Every transaction locks the rows of several users in this order. */
export function distinctUsers(keys: Iterable<UserKey>): readonly UserKey[] {
  const byKey = new Map<string, UserKey>();
  for (const { tenantId, userId } of keys) byKey.set(`${tenantId}/${userId}`, { tenantId, userId });
  return [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, key]) => key);
}

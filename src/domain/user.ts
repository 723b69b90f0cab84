/** Names a user: user ids are the caller's own and unique within a tenant. */
export interface UserKey {
  readonly tenantId: string;
  readonly userId: string;
}

export interface User extends UserKey {
  /** IANA name; days of this user are cut there. */
  readonly timeZone: string;
  readonly canReceiveNotifications: boolean;
  readonly createdAt: Date;
}

/** What to change about a user: an absent field keeps its value, `null` goes back to the default. */
export interface UserPatch {
  readonly timeZone?: string | null | undefined;
  readonly canReceiveNotifications?: boolean | null | undefined;
}

export const userDefaults = { timeZone: 'UTC', canReceiveNotifications: true } as const;

/** One string per user, `tenant/user`; a tenant has no slash. Also the key of the user's records in the log. */
export function userKeyOf({ tenantId, userId }: UserKey): string {
  return `${tenantId}/${userId}`;
}

/** Keys without repeats, sorted: whoever locks rows of several users locks them in this order. */
export function distinctUsers(keys: Iterable<UserKey>): readonly UserKey[] {
  const byKey = new Map<string, UserKey>();
  for (const { tenantId, userId } of keys) byKey.set(`${tenantId}/${userId}`, { tenantId, userId });
  return [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, key]) => key);
}

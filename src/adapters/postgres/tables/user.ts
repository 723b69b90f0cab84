import { type User, type UserKey, type UserPatch, userDefaults, userKeyOf } from '../../../domain/user.ts';
import type { PrismaClient } from '../generated/client.ts';
import { type Fragment, type Queryable, sql } from '../sql.ts';

/** Returns the tenant ids and the user ids of keys, for `unnest`. */
export function columns(keys: readonly UserKey[]): readonly [tenantIds: string[], userIds: string[]] {
  return [keys.map(({ tenantId }) => tenantId), keys.map(({ userId }) => userId)];
}

/** Returns the key of an object that contains a user key. */
export const keyOf = ({ tenantId, userId }: UserKey): UserKey => ({ tenantId, userId });

/**
 * A condition for the rows of these users. `table` is the name of the table with a trailing dot. For one
 * user, which is the common case, the condition compares directly. That takes half the time of a search in a
 * set with one element.
 */
export function isOf(keys: readonly UserKey[], table = sql.empty): Fragment {
  const [key, ...others] = keys;
  if (key && others.length === 0)
    return sql`${table}tenant_id = ${key.tenantId} AND ${table}user_id = ${key.userId}`;
  const [tenantIds, userIds] = columns(keys);
  return sql`
    (${table}tenant_id, ${table}user_id) IN (SELECT * FROM unnest(${tenantIds}::text[], ${userIds}::text[]))`;
}

/** The columns of a user except the key. */
export const selectedOfUser = sql`
  time_zone AS "timeZone", can_receive_notifications AS "canReceiveNotifications", created_at AS "createdAt"`;

/** Returns a user from a row that may have additional columns. */
export const toUser = ({ tenantId, userId, timeZone, canReceiveNotifications, createdAt }: User): User => ({
  tenantId,
  userId,
  timeZone,
  canReceiveNotifications,
  createdAt,
});

/** A clause that makes waiting records due now if they belong to one of the `created` users. */
const wokenBy = (now: Date) => sql`woken AS (
  UPDATE waiting_record AS w SET due_at = ${now}::timestamptz FROM created
  WHERE w.tenant_id = created.tenant_id AND w.user_id = created.user_id RETURNING 1)`;

export function createUserReads(db: Queryable) {
  return {
    async users(keys: readonly UserKey[]): Promise<readonly User[]> {
      if (keys.length === 0) return [];
      return db.query<User>`
        SELECT tenant_id AS "tenantId", user_id AS "userId", ${selectedOfUser} FROM app_user WHERE ${isOf(keys)}`;
    },
  };
}

export function createUserWrites(db: Queryable) {
  return {
    async lockUsers(keys: readonly UserKey[]): Promise<readonly User[]> {
      if (keys.length === 0) return [];
      return db.query<User>`
        SELECT tenant_id AS "tenantId", user_id AS "userId", ${selectedOfUser} FROM app_user
        WHERE ${isOf(keys)} ORDER BY tenant_id, user_id FOR UPDATE`;
    },

    async ensureUsers(keys: readonly UserKey[], now: Date): Promise<boolean> {
      if (keys.length === 0) return false;
      const [tenantIds, userIds] = columns(keys);
      const woken = await db.query`
        WITH created AS (
          INSERT INTO app_user (tenant_id, user_id, created_at)
          SELECT tenant_id, user_id, ${now}::timestamptz
          FROM unnest(${tenantIds}::text[], ${userIds}::text[]) AS new (tenant_id, user_id)
          ORDER BY tenant_id, user_id
          ON CONFLICT DO NOTHING
          RETURNING tenant_id, user_id
        ), ${wokenBy(now)}
        SELECT FROM woken LIMIT 1`;
      return woken.length > 0;
    },

    async patchUsers(
      patches: readonly (UserKey & { readonly patch: UserPatch })[],
      now: Date,
    ): Promise<readonly boolean[]> {
      if (patches.length === 0) return [];
      const [tenantIds, userIds] = columns(patches);
      const created = await db.query<UserKey>`
        WITH created AS (
          INSERT INTO app_user (tenant_id, user_id, created_at)
          SELECT DISTINCT tenant_id, user_id, ${now}::timestamptz
          FROM unnest(${tenantIds}::text[], ${userIds}::text[]) AS new (tenant_id, user_id)
          ORDER BY tenant_id, user_id
          ON CONFLICT DO NOTHING
          RETURNING tenant_id, user_id
        ), ${wokenBy(now)}
        SELECT tenant_id AS "tenantId", user_id AS "userId" FROM created`;
      // A null cell means that the patch omits the field, so the current value remains. If the patch clears
      // the field, the cell contains the default.
      const zones = patches.map(({ patch }) => cleared(patch.timeZone, userDefaults.timeZone));
      const receiving = patches.map(({ patch }) =>
        cleared(patch.canReceiveNotifications, userDefaults.canReceiveNotifications),
      );
      await db.execute`
        WITH patch AS (
          SELECT new.* FROM app_user
          JOIN unnest(${tenantIds}::text[], ${userIds}::text[], ${zones}::text[],
            ${receiving.map((value) => value?.toString() ?? null)}::text[])
            AS new (tenant_id, user_id, time_zone, receiving) USING (tenant_id, user_id)
          ORDER BY tenant_id, user_id FOR UPDATE OF app_user
        )
        UPDATE app_user SET time_zone = coalesce(patch.time_zone, app_user.time_zone),
          can_receive_notifications = coalesce(patch.receiving::boolean, app_user.can_receive_notifications)
        FROM patch WHERE app_user.tenant_id = patch.tenant_id AND app_user.user_id = patch.user_id`;
      const createdKeys = new Set(created.map(userKeyOf));
      return patches.map((patch) => createdKeys.delete(userKeyOf(patch)));
    },
  };
}

export function createUserLookups({ appUser: table }: Pick<PrismaClient, 'appUser'>) {
  return {
    usersOf: (
      tenantId: string,
      { first, after }: { readonly first: number; readonly after?: string },
    ): Promise<readonly User[]> =>
      table.findMany({
        where: { tenantId, ...(after !== undefined && { userId: { gt: after } }) },
        orderBy: { userId: 'asc' },
        take: first,
      }),

    countUsers: (tenantId: string): Promise<number> => table.count({ where: { tenantId } }),
  };
}

function cleared<T>(value: T | null | undefined, byDefault: T): T | null {
  if (value === undefined) return null;
  return value === null ? byDefault : value;
}

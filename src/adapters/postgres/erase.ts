import { callerNameOf } from '../../domain/caller.ts';
import { type UserKey, userKeyOf } from '../../domain/user.ts';
import type { Erasure } from '../../ports/store.ts';
import { Prisma } from './generated/client.ts';
import type { Sql } from './sql.ts';

/**
 * Every table with rows that name a user, but for the inbox, whose version is needed, for members of buckets, which are found
 * from the day down, and for views of items, which `forgetItemViews` removes. A test asks the catalog for more.
 */
const tablesOfUser = [
  'app_user',
  'page_view',
  'user_activity',
  'inbox_opening',
  'inbox_change',
  'notification',
  'notification_preference',
  'user_limit',
  'user_limit_event',
  'waiting_record',
] as const;

/** Records of the log looked at in one statement: it has no index by key, which every append would pay for. */
const stride = 50_000n;

export function createEraseQueries(sql: Sql) {
  return {
    async eraseUser(user: UserKey): Promise<Erasure> {
      const { tenantId, userId } = user;
      const key = userKeyOf(user);
      const own = Prisma.sql`member.tenant_id = ${tenantId} AND member.user_id = ${userId}`;
      let rows = 0;
      // What may take long comes first, while nobody waits for it.
      const passed = await blankRecords(0n);
      await remove('page_view');
      await removeMember();
      // Whoever writes about a user locks rows of one of these two first, and would go on with what they have read there.
      // So they end before this, or find nobody after it; reading goes on. In the order in which others come to them.
      await sql.execute`LOCK TABLE app_user, inbox IN EXCLUSIVE MODE`;
      await blankRecords(passed);
      for (const table of tablesOfUser) await remove(table);
      await removeMember();
      rows += await sql.execute`DELETE FROM dead_letter WHERE key = ${key}`;
      rows += await sql.execute`DELETE FROM outbox WHERE key = ${key}`;
      const caller = callerNameOf({ role: 'user', subject: userId });
      rows +=
        await sql.execute`DELETE FROM idempotency_key WHERE tenant_id = ${tenantId} AND caller = ${caller}`;
      // Whoever watches goes on from the version they have seen, also when the user comes again: new inboxes of the tenant
      // begin beyond it. A version kept per user would name the user.
      const [floor] = await sql.query<{ readonly version: bigint }>`
        WITH erased AS (
          DELETE FROM inbox WHERE tenant_id = ${tenantId} AND user_id = ${userId} RETURNING version + 1 AS version
        ), raised AS (
          INSERT INTO version_floor AS floor (tenant_id, version) SELECT ${tenantId}, version FROM erased
          ON CONFLICT (tenant_id) DO UPDATE SET version = greatest(floor.version, excluded.version)
        )
        SELECT version FROM erased`;
      return { hadAny: rows > 0 || floor !== undefined, version: floor && Number(floor.version) };

      async function remove(table: (typeof tablesOfUser)[number]): Promise<void> {
        rows += await sql.execute`
          DELETE FROM ${Prisma.raw(table)} WHERE tenant_id = ${tenantId} AND user_id = ${userId}`;
      }

      /** The site's counts stay: they name nobody. An index by user is what every count would pay for. */
      async function removeMember(): Promise<void> {
        const [found] = await sql.query<{ readonly rows: number }>`
          WITH kept AS (
            SELECT min(bucket_start) AS first, max(bucket_start) AS last FROM user_activity_member
            WHERE tenant_id = ${tenantId} AND granularity = 'DAY'
          ), day AS (
            DELETE FROM user_activity_member AS member USING kept, generate_series(first, last, '1 day') AS at
            WHERE ${own} AND granularity = 'DAY' AND bucket_start = at RETURNING bucket_start
          ), hour AS (
            DELETE FROM user_activity_member AS member USING day, generate_series(0, 23) AS n
            WHERE ${own} AND granularity = 'HOUR' AND member.bucket_start = day.bucket_start + n * interval '1 hour'
            RETURNING member.bucket_start
          ), minute AS (
            DELETE FROM user_activity_member AS member USING hour, generate_series(0, 59) AS n
            WHERE ${own} AND granularity = 'MINUTE' AND member.bucket_start = hour.bucket_start + n * interval '1 minute'
            RETURNING 1
          )
          SELECT (SELECT count(*) FROM day)::int + (SELECT count(*) FROM hour)::int
            + (SELECT count(*) FROM minute)::int AS rows`;
        rows += found?.rows ?? 0;
      }

      /** Empties the user's records of the log behind an offset; the offset of the last that was looked at. */
      async function blankRecords(after: bigint): Promise<bigint> {
        const [log] = await sql.query<{ readonly oldest: bigint | null; readonly head: bigint }>`
          SELECT (SELECT min("offset") FROM event_log WHERE "offset" > ${after}) AS oldest, head FROM log_head`;
        const head = log?.head ?? after;
        for (let from = log?.oldest ?? head + 1n; from <= head; from += stride) {
          rows += await sql.execute`
            UPDATE event_log SET key = NULL, value = NULL, raw = NULL, headers = '{}'
            WHERE "offset" >= ${from} AND "offset" < ${from + stride} AND key = ${key}`;
        }
        return head;
      }
    },
  };
}

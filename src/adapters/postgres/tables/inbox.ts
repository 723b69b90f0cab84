import {
  type Counts,
  emptyInbox,
  type Inbox,
  type InboxChange,
  type UserInbox,
} from '../../../domain/inbox.ts';
import type { Recipient } from '../../../domain/preference.ts';
import { streamWindow } from '../../../domain/stream.ts';
import { type UserKey, userKeyOf } from '../../../domain/user.ts';
import type { DueRow } from '../../../ports/store/due.ts';
import type { Recounted } from '../../../ports/store/inboxes.ts';
import { type Queryable, sql } from '../sql.ts';
import { countRows } from './counting.ts';
import { disabledCategories, toRecipient } from './preference.ts';
import { columns, selectedOfUser } from './user.ts';

type Row = Omit<Inbox, 'version' | 'firstVersion'> & {
  readonly version: bigint;
  readonly firstVersion: bigint;
};

const selected = sql`
  inbox.tenant_id AS "tenantId", inbox.user_id AS "userId", unseen, unread, last_seq AS "lastSeq",
  opened_seq AS "openedSeq", change_seq AS "changeSeq", version, first_version AS "firstVersion", last_opened_at AS "lastOpenedAt",
  updated_at AS "updatedAt"`;

const toInbox = (row: Row): Inbox => ({
  tenantId: row.tenantId,
  userId: row.userId,
  unseen: row.unseen,
  unread: row.unread,
  lastSeq: row.lastSeq,
  openedSeq: row.openedSeq,
  changeSeq: row.changeSeq,
  version: Number(row.version),
  firstVersion: Number(row.firstVersion),
  lastOpenedAt: row.lastOpenedAt,
  updatedAt: row.updatedAt,
});

interface Wanted {
  readonly wantedTenantId: string;
  readonly wantedUserId: string;
  readonly floor: bigint | null;
  readonly now: Date;
}

const toEmptyInbox = ({ wantedTenantId, wantedUserId, floor, now }: Wanted): Inbox =>
  emptyInbox({ tenantId: wantedTenantId, userId: wantedUserId }, now, Number(floor ?? 0));

export function createInboxReads(db: Queryable) {
  const recounted = async (rows: readonly Row[]): Promise<readonly Recounted[]> => {
    const inboxes = rows.map(toInbox);
    const counts = await countRows(
      db,
      inboxes.map((inbox) => ({ ...inbox, afterSeq: 0n })),
    );
    return inboxes.map((inbox, n) => ({ inbox, counts: counts[n] as Counts }));
  };

  return {
    async recount(keys: readonly UserKey[]): Promise<readonly Recounted[]> {
      const [tenantIds, userIds] = columns(keys);
      const rows = await db.query<Row>`
        SELECT ${selected} FROM inbox
        WHERE (inbox.tenant_id, inbox.user_id) IN (SELECT * FROM unnest(${tenantIds}::text[], ${userIds}::text[]))`;
      return recounted(rows);
    },

    async recountSample(size: number): Promise<readonly Recounted[]> {
      // PostgreSQL samples whole pages and does not read the other pages. If the table was never analyzed,
      // the statement reads all pages.
      const rows = await db.query<Row>`
        SELECT ${selected} FROM inbox TABLESAMPLE SYSTEM ((
          SELECT least(100, 100.0 * ${size}::int / greatest(reltuples, 1)) FROM pg_class WHERE oid = 'inbox'::regclass
        )) LIMIT ${2 * size}`;
      return recounted(rows);
    },

    async inboxKeys({
      first,
      after,
    }: {
      readonly first: number;
      readonly after?: UserKey;
    }): Promise<readonly UserKey[]> {
      return db.query<UserKey>`
        SELECT tenant_id AS "tenantId", user_id AS "userId" FROM inbox
        WHERE (tenant_id, user_id) > (${after?.tenantId ?? ''}, ${after?.userId ?? ''})
        ORDER BY tenant_id, user_id LIMIT ${first}`;
    },

    async inboxes(keys: readonly UserKey[]): Promise<readonly Inbox[]> {
      if (keys.length === 0) return [];
      const [tenantIds, userIds] = columns(keys);
      const rows = await db.query<Wanted & (Row | { readonly tenantId: null })>`
        SELECT ${selected}, wanted.tenant_id AS "wantedTenantId", wanted.user_id AS "wantedUserId",
          floor, now()
        FROM unnest(${tenantIds}::text[], ${userIds}::text[]) AS wanted (tenant_id, user_id)
        LEFT JOIN inbox USING (tenant_id, user_id)
        LEFT JOIN version_floor AS next (tenant_id, floor) USING (tenant_id)`;
      return rows.map((row) => (row.tenantId === null ? toEmptyInbox(row) : toInbox(row)));
    },
  };
}

export function createInboxWrites(db: Queryable) {
  return {
    async lockInboxes(keys: readonly UserKey[], now: Date): Promise<readonly UserInbox[]> {
      if (keys.length === 0) return [];
      const [tenantIds, userIds] = columns(keys);
      // The UPDATE of an existing row changes nothing, but locks the row and makes RETURNING return it. All
      // callers lock the rows in the same order, so two callers never deadlock.
      const rows = await db.query<Row & Recipient>`
        WITH inbox AS (
          INSERT INTO inbox (tenant_id, user_id, version, first_version, updated_at)
          SELECT tenant_id, user_id, coalesce(floor.version, 0), coalesce(floor.version, 0), ${now}::timestamptz
          FROM unnest(${tenantIds}::text[], ${userIds}::text[]) AS wanted (tenant_id, user_id)
          JOIN app_user USING (tenant_id, user_id) LEFT JOIN version_floor AS floor USING (tenant_id)
          ORDER BY tenant_id, user_id
          ON CONFLICT (tenant_id, user_id) DO UPDATE SET updated_at = inbox.updated_at
          RETURNING *
        )
        SELECT ${selected}, ${selectedOfUser}, ${disabledCategories}
        FROM inbox JOIN app_user USING (tenant_id, user_id)`;
      const found = new Map(
        rows.map((row) => [userKeyOf(row), { user: toRecipient(row), inbox: toInbox(row) }]),
      );
      return keys.flatMap((key) => found.get(userKeyOf(key)) ?? []);
    },

    async saveInboxes(inboxes: readonly Inbox[]): Promise<void> {
      if (inboxes.length === 0) return;
      const [tenantIds, userIds] = columns(inboxes);
      await db.execute`
        UPDATE inbox SET unseen = new.unseen, unread = new.unread, last_seq = new.last_seq, opened_seq = new.opened_seq,
          change_seq = new.change_seq, version = new.version, last_opened_at = new.last_opened_at, updated_at = new.updated_at
        FROM unnest(
          ${tenantIds}::text[], ${userIds}::text[], ${inboxes.map((inbox) => inbox.unseen)}::int[],
          ${inboxes.map((inbox) => inbox.unread)}::int[], ${inboxes.map((inbox) => String(inbox.lastSeq))}::bigint[],
          ${inboxes.map((inbox) => String(inbox.openedSeq))}::bigint[],
          ${inboxes.map((inbox) => String(inbox.changeSeq))}::bigint[],
          ${inboxes.map((inbox) => String(inbox.version))}::bigint[],
          ${inboxes.map((inbox) => inbox.lastOpenedAt?.toISOString() ?? null)}::timestamptz[],
          ${inboxes.map((inbox) => inbox.updatedAt.toISOString())}::timestamptz[]
        ) AS new (tenant_id, user_id, unseen, unread, last_seq, opened_seq, change_seq, version, last_opened_at, updated_at)
        WHERE inbox.tenant_id = new.tenant_id AND inbox.user_id = new.user_id`;
    },

    async addOpening({ tenantId, userId }: UserKey, upToSeq: bigint, now: Date): Promise<void> {
      await db.execute`
        INSERT INTO inbox_opening (tenant_id, user_id, up_to_seq, opened_at)
        VALUES (${tenantId}, ${userId}, ${upToSeq}, ${now}::timestamptz) ON CONFLICT DO NOTHING`;
    },

    async addChanges(changes: readonly InboxChange[]): Promise<void> {
      if (changes.length === 0) return;
      const [tenantIds, userIds] = columns(changes);
      // The ids of each change are sent as one text, because PostgreSQL requires all rows of a
      // two-dimensional array to have the same length. Each new change removes the changes that are too old
      // for any client.
      await db.execute`
        WITH new AS (
          SELECT * FROM unnest(
            ${tenantIds}::text[], ${userIds}::text[], ${changes.map((one) => String(one.changeSeq))}::bigint[],
            ${changes.map((one) => String(one.lastSeq))}::bigint[], ${changes.map((one) => one.action)}::text[],
            ${changes.map((one) => one.ids.join(','))}::text[],
            ${changes.map((one) => one.stretch && String(one.stretch.from))}::bigint[],
            ${changes.map((one) => one.stretch && String(one.stretch.to))}::bigint[],
            ${changes.map((one) => one.changedAt.toISOString())}::timestamptz[]
          ) AS new (tenant_id, user_id, change_seq, last_seq, action, ids, from_seq, to_seq, changed_at)
        ), outlived AS (
          DELETE FROM inbox_change AS old USING new
          WHERE old.tenant_id = new.tenant_id AND old.user_id = new.user_id
            AND old.change_seq <= new.change_seq - ${streamWindow.maxEvents}
        )
        INSERT INTO inbox_change (tenant_id, user_id, change_seq, last_seq, action, ids, from_seq, to_seq, changed_at)
        SELECT tenant_id, user_id, change_seq, last_seq, action, string_to_array(ids, ',')::uuid[], from_seq, to_seq, changed_at
        FROM new`;
    },
  };
}

export function createDueInboxWrites(db: Queryable) {
  return {
    async lockInboxesDue(now: Date, limit: number): Promise<readonly UserInbox[]> {
      const rows = await db.query<Row & Recipient>`
        SELECT ${selected}, ${selectedOfUser}, ${disabledCategories} FROM inbox JOIN app_user USING (tenant_id, user_id)
        WHERE (tenant_id, user_id) IN (
          SELECT tenant_id, user_id FROM (
            SELECT tenant_id, user_id FROM notification WHERE due_at <= ${now}::timestamptz ORDER BY due_at LIMIT ${limit}
          ) AS due)
        ORDER BY tenant_id, user_id FOR UPDATE OF inbox SKIP LOCKED`;
      return rows.map((row) => ({ user: toRecipient(row), inbox: toInbox(row) }));
    },

    async postpone(row: DueRow, now: Date, until: Date): Promise<void> {
      const [table, key] =
        'userLimitId' in row
          ? [sql`user_limit`, sql`user_limit_id = ${row.userLimitId}`]
          : [sql`notification`, sql`id = ${row.id}::uuid`];
      await db.execute`
        UPDATE ${table} SET due_at = ${until}::timestamptz
        WHERE tenant_id = ${row.tenantId} AND user_id = ${row.userId} AND ${key} AND due_at <= ${now}::timestamptz`;
    },
  };
}

import {
  type LimitFilter,
  type LimitKey,
  type LimitRecord,
  limitDueAt,
  type Place,
  type UserLimit,
  type ZonedLimit,
} from '../../domain/limit.ts';
import type { UserKey } from '../../domain/user.ts';
import type { KeptLimitEvent } from '../../ports/store.ts';
import { Prisma } from './generated/client.ts';
import { type Sql, sparse } from './sql.ts';
import { columns, isOf } from './user.ts';

/** Limits of one user that are read at most. */
const maxLimits = 500;

type Cell = string | number | null | undefined;
type Column<Row> = readonly [name: string, type: string, cell: (row: Row) => Cell];

const iso = (at: Date | null | undefined) => at?.toISOString();
const sequence = (place: { readonly sequence: bigint } | null) => place?.sequence.toString();
const event = (place: Place | null) => place?.event;

const keyColumns: readonly Column<LimitKey>[] = [
  ['tenant_id', 'text', (row) => row.tenantId],
  ['user_id', 'text', (row) => row.userId],
  ['user_limit_id', 'text', (row) => row.userLimitId],
];

const stateColumns: readonly Column<UserLimit>[] = [
  ['brand_id', 'text', (row) => row.brandId],
  ['currency_code', 'text', (row) => row.currencyCode],
  ['type', 'text', (row) => row.type],
  ['period', 'text', (row) => row.period],
  ['status', 'text', (row) => row.status],
  ['active_from', 'timestamptz', (row) => iso(row.activeFrom)],
  ['active_until', 'timestamptz', (row) => iso(row.activeUntil)],
  ['value', 'numeric', ({ definition }) => definition?.value],
  ['stated_previous', 'numeric', ({ definition }) => definition?.statedPrevious],
  ['initial_progress', 'numeric', ({ definition }) => definition?.initialProgress],
  ['definition_sequence', 'bigint', (row) => sequence(row.definition)],
  ['definition_event', 'text', (row) => event(row.definition)],
  ['earlier_value', 'numeric', ({ earlier }) => earlier?.value],
  ['earlier_sequence', 'bigint', (row) => sequence(row.earlier)],
  ['earlier_event', 'text', (row) => event(row.earlier)],
  ['previous_progress', 'numeric', ({ change }) => change?.previousProgress],
  ['amount', 'numeric', ({ change }) => change?.amount],
  ['remaining', 'numeric', ({ change }) => change?.remaining],
  ['change_sequence', 'bigint', (row) => sequence(row.change)],
  ['change_event', 'text', (row) => event(row.change)],
  ['last_reset_at', 'timestamptz', (row) => iso(row.lastReset?.at)],
  ['last_reset_value', 'numeric', ({ lastReset }) => lastReset?.value],
  ['last_reset_sequence', 'bigint', (row) => sequence(row.lastReset)],
  ['last_reset_event', 'text', (row) => event(row.lastReset)],
  ['next_reset_at', 'timestamptz', (row) => iso(row.nextReset?.at)],
  ['next_reset_sequence', 'bigint', (row) => sequence(row.nextReset)],
  ['next_reset_event', 'text', (row) => event(row.nextReset)],
  ['told_percent', 'int', ({ told }) => told?.percent],
  ['told_sequence', 'bigint', (row) => sequence(row.told)],
  ['version', 'bigint', (row) => String(row.version)],
  ['due_at', 'timestamptz', (row) => iso(limitDueAt(row))],
  ['updated_at', 'timestamptz', (row) => iso(row.updatedAt)],
];

const eventColumns: readonly Column<LimitRecord>[] = [
  ['sequence_number', 'bigint', (row) => String(row.sequence)],
  ['source', 'text', (row) => row.source],
  ['event_id', 'text', (row) => row.eventId],
  ['type', 'text', (row) => row.type],
  ['occurred_at', 'timestamptz', (row) => iso(row.occurredAt)],
  ['progress_after', 'numeric', (row) => row.progressAfter],
  ['raw', 'text', (row) => row.raw],
];

const names = <Row>(table: readonly Column<Row>[]) => Prisma.raw(table.map(([name]) => name).join(', '));

/** What stands in no cell: JSON escapes it, and names hold no control characters. */
const separator = '\x1e';

/**
 * The rows as arguments of `unnest`, a text for each column: an array would have every element escaped, which costs ten times
 * as much. No cell is empty, so an empty one is NULL; a column without any is NULL as a whole, and filled up.
 */
const cells = <Row>(table: readonly Column<Row>[], rows: readonly Row[]) =>
  Prisma.join(
    table.map(([, type, cell]) => {
      const text = sparse(rows, (row) => cell(row) ?? null)?.join(separator) ?? null;
      return Prisma.sql`string_to_array(${text}, E'\\x1e', '')::${Prisma.raw(type)}[]`;
    }),
  );

const limitColumns: readonly Column<UserLimit>[] = [...keyColumns, ...stateColumns];
const recordColumns: readonly Column<LimitRecord>[] = [...keyColumns, ...eventColumns];
const replaced = Prisma.raw(stateColumns.map(([name]) => `${name} = excluded.${name}`).join(', '));

/** Columns of parts that are not there are null. */
interface Row extends Pick<UserLimit, 'type' | 'period' | 'status'> {
  readonly tenant_id: string;
  readonly user_id: string;
  readonly user_limit_id: string;
  readonly brand_id: string;
  readonly currency_code: string | null;
  readonly active_from: Date | null;
  readonly active_until: Date | null;
  readonly value: string;
  readonly stated_previous: string | null;
  readonly initial_progress: string | null;
  readonly definition_sequence: bigint | null;
  readonly definition_event: string;
  readonly earlier_value: string;
  readonly earlier_sequence: bigint | null;
  readonly earlier_event: string;
  readonly previous_progress: string;
  readonly amount: string;
  readonly remaining: string | null;
  readonly change_sequence: bigint | null;
  readonly change_event: string;
  readonly last_reset_at: Date;
  readonly last_reset_value: string | null;
  readonly last_reset_sequence: bigint | null;
  readonly last_reset_event: string;
  readonly next_reset_at: Date;
  readonly next_reset_sequence: bigint | null;
  readonly next_reset_event: string;
  readonly told_percent: number;
  readonly told_sequence: bigint | null;
  readonly version: bigint;
  readonly updated_at: Date;
}

/** With the zone of the user. */
interface ZonedRow extends Row {
  readonly time_zone: string;
}

const toLimit = (row: Row): UserLimit => ({
  tenantId: row.tenant_id,
  userId: row.user_id,
  userLimitId: row.user_limit_id,
  brandId: row.brand_id,
  type: row.type,
  period: row.period,
  status: row.status,
  currencyCode: row.currency_code,
  activeFrom: row.active_from,
  activeUntil: row.active_until,
  definition:
    row.definition_sequence === null
      ? null
      : {
          sequence: row.definition_sequence,
          event: row.definition_event,
          value: row.value,
          statedPrevious: row.stated_previous,
          initialProgress: row.initial_progress,
        },
  earlier:
    row.earlier_sequence === null
      ? null
      : { sequence: row.earlier_sequence, event: row.earlier_event, value: row.earlier_value },
  change:
    row.change_sequence === null
      ? null
      : {
          sequence: row.change_sequence,
          event: row.change_event,
          previousProgress: row.previous_progress,
          amount: row.amount,
          remaining: row.remaining,
        },
  lastReset:
    row.last_reset_sequence === null
      ? null
      : {
          sequence: row.last_reset_sequence,
          event: row.last_reset_event,
          at: row.last_reset_at,
          value: row.last_reset_value,
        },
  nextReset:
    row.next_reset_sequence === null
      ? null
      : { sequence: row.next_reset_sequence, event: row.next_reset_event, at: row.next_reset_at },
  told: row.told_sequence === null ? null : { sequence: row.told_sequence, percent: row.told_percent },
  version: Number(row.version),
  updatedAt: row.updated_at,
});

const toZoned = (row: ZonedRow): ZonedLimit => Object.assign(toLimit(row), { timeZone: row.time_zone });

/** As `statusAt` of the domain has it. */
const statusAt = (at: Date) => Prisma.sql`
  CASE WHEN l.status IN ('UNKNOWN', 'CANCELED') THEN l.status
    WHEN l.active_until <= ${at}::timestamptz THEN 'CANCELED'
    WHEN l.status = 'FUTURE' AND l.active_from <= ${at}::timestamptz THEN 'ACTIVE'
    ELSE l.status END`;

const conditionsOf = ({ brandId, types, periods, statuses }: LimitFilter): readonly Prisma.Sql[] => [
  ...(brandId === undefined ? [] : [Prisma.sql`AND l.brand_id = ${brandId}`]),
  ...(types === undefined ? [] : [Prisma.sql`AND l.type = ANY(${types}::text[])`]),
  ...(periods === undefined ? [] : [Prisma.sql`AND l.period = ANY(${periods}::text[])`]),
  ...(statuses === undefined
    ? []
    : [Prisma.sql`AND ${statusAt(statuses.at)} = ANY(${statuses.any}::text[])`]),
];

export function createLimitQueries(sql: Sql) {
  return {
    async limits(users: readonly UserKey[], filter: LimitFilter = {}): Promise<readonly ZonedLimit[]> {
      if (users.length === 0) return [];
      const conditions = Prisma.join([Prisma.empty, ...conditionsOf(filter)], ' ');
      const rows = await sql.query<ZonedRow>`
        SELECT own.*, u.time_zone FROM app_user AS u CROSS JOIN LATERAL (
          SELECT * FROM user_limit AS l WHERE l.tenant_id = u.tenant_id AND l.user_id = u.user_id ${conditions}
          ORDER BY l.user_limit_id LIMIT ${maxLimits}
        ) AS own
        WHERE ${isOf(users, Prisma.sql`u.`)} ORDER BY own.tenant_id, own.user_id, own.user_limit_id`;
      return rows.map(toZoned);
    },

    async limitKeys({
      first,
      after,
    }: {
      readonly first: number;
      readonly after?: LimitKey;
    }): Promise<readonly LimitKey[]> {
      const place = [after?.tenantId ?? '', after?.userId ?? '', after?.userLimitId ?? ''];
      const page = (table: string) => Prisma.sql`(
        SELECT DISTINCT tenant_id, user_id, user_limit_id FROM ${Prisma.raw(table)}
        WHERE (tenant_id, user_id, user_limit_id) > (${Prisma.join(place)}) ORDER BY 1, 2, 3 LIMIT ${first})`;
      return sql.query<LimitKey>`
        SELECT tenant_id AS "tenantId", user_id AS "userId", user_limit_id AS "userLimitId"
        FROM (${page('user_limit')} UNION ${page('user_limit_event')}) AS known ORDER BY 1, 2, 3 LIMIT ${first}`;
    },

    async limitsNamed(tenantId: string, userLimitId: string): Promise<readonly ZonedLimit[]> {
      const rows = await sql.query<ZonedRow>`
        SELECT l.*, u.time_zone FROM user_limit AS l JOIN app_user AS u USING (tenant_id, user_id)
        WHERE l.tenant_id = ${tenantId} AND l.user_limit_id = ${userLimitId} ORDER BY l.user_id LIMIT ${maxLimits}`;
      return rows.map(toZoned);
    },

    async limitEvents(
      { tenantId, userId, userLimitId }: LimitKey,
      {
        first,
        before,
      }: {
        readonly first: number;
        readonly before?: { readonly sequence: bigint; readonly source: string; readonly eventId: string };
      },
    ): Promise<readonly (LimitRecord & { readonly progressAfter: string })[]> {
      const sameLimit = Prisma.sql`
        e.tenant_id = ${tenantId} AND e.user_id = ${userId} AND e.user_limit_id = ${userLimitId}`;
      const later = before
        ? Prisma.sql`AND (e.sequence_number, e.source, e.event_id) < (${before.sequence}, ${before.source}, ${before.eventId})`
        : Prisma.empty;
      return sql.query<LimitRecord & { readonly progressAfter: string }>`
        SELECT page.tenant_id AS "tenantId", page.user_id AS "userId", page.user_limit_id AS "userLimitId", page.source,
          page.event_id AS "eventId", page.type, page.sequence_number AS sequence, page.occurred_at AS "occurredAt",
          page.raw, coalesce(page.progress_after, (
            SELECT e.progress_after FROM user_limit_event AS e
            WHERE ${sameLimit} AND e.sequence_number < page.sequence_number AND e.progress_after IS NOT NULL
            ORDER BY e.sequence_number DESC, e.source DESC, e.event_id DESC LIMIT 1
          ), 0) AS "progressAfter"
        FROM (
          SELECT * FROM user_limit_event AS e WHERE ${sameLimit} ${later}
          ORDER BY e.sequence_number DESC, e.source DESC, e.event_id DESC LIMIT ${first}
        ) AS page ORDER BY page.sequence_number DESC, page.source DESC, page.event_id DESC`;
    },
  };
}

export function createLimitWrites(sql: Sql) {
  return {
    async limits(keys: readonly LimitKey[]): Promise<readonly UserLimit[]> {
      if (keys.length === 0) return [];
      const rows = await sql.query<Row>`
        SELECT * FROM user_limit WHERE (tenant_id, user_id, user_limit_id) IN (
          SELECT * FROM unnest(${cells(keyColumns, keys)}))`;
      return rows.map(toLimit);
    },

    async saveLimits(limits: readonly UserLimit[]): Promise<void> {
      if (limits.length === 0) return;
      await sql.execute`
        INSERT INTO user_limit (${names(limitColumns)})
        SELECT * FROM unnest(${cells(limitColumns, limits)})
        ON CONFLICT (tenant_id, user_id, user_limit_id) DO UPDATE SET ${replaced}`;
    },

    async keptLimitEvents(
      upTo: LimitKey,
      { first, after }: { readonly first: number; readonly after: LimitKey & Partial<KeptLimitEvent> },
    ): Promise<readonly KeptLimitEvent[]> {
      const { tenantId, userId, userLimitId, sequence = -1n, source = '', eventId = '' } = after;
      return sql.query<KeptLimitEvent>`
        SELECT tenant_id AS "tenantId", user_id AS "userId", user_limit_id AS "userLimitId",
          sequence_number AS sequence, source, event_id AS "eventId", raw
        FROM user_limit_event
        WHERE (tenant_id, user_id, user_limit_id, sequence_number, source, event_id)
            > (${tenantId}, ${userId}, ${userLimitId}, ${sequence}, ${source}, ${eventId})
          AND (tenant_id, user_id, user_limit_id) <= (${upTo.tenantId}, ${upTo.userId}, ${upTo.userLimitId})
        ORDER BY tenant_id, user_id, user_limit_id, sequence_number, source, event_id LIMIT ${first}`;
    },

    async addLimitEvents(events: readonly LimitRecord[]): Promise<void> {
      if (events.length === 0) return;
      await sql.execute`
        INSERT INTO user_limit_event (${names(recordColumns)})
        SELECT * FROM unnest(${cells(recordColumns, events)}) ON CONFLICT DO NOTHING`;
    },

    async lockLimitsDue(now: Date, limit: number): Promise<readonly ZonedLimit[]> {
      const users = await sql.query<UserKey>`
        SELECT tenant_id AS "tenantId", user_id AS "userId" FROM app_user WHERE (tenant_id, user_id) IN (
          SELECT tenant_id, user_id FROM (
            SELECT tenant_id, user_id FROM user_limit WHERE due_at <= ${now}::timestamptz ORDER BY due_at LIMIT ${limit}
          ) AS due)
        ORDER BY tenant_id, user_id FOR UPDATE SKIP LOCKED`;
      if (users.length === 0) return [];
      const [tenantIds, userIds] = columns(users);
      // Read after the lock: what was due may have been changed by whoever had it before.
      const rows = await sql.query<ZonedRow>`
        SELECT l.*, u.time_zone FROM user_limit AS l JOIN app_user AS u USING (tenant_id, user_id)
        WHERE l.due_at <= ${now}::timestamptz
          AND (tenant_id, user_id) IN (SELECT * FROM unnest(${tenantIds}::text[], ${userIds}::text[]))
        ORDER BY l.due_at LIMIT ${limit}`;
      return rows.map(toZoned);
    },
  };
}

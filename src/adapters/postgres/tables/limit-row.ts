import {
  type LimitKey,
  type LimitPeriod,
  type LimitRecord,
  type LimitState,
  type LimitStatus,
  type LimitType,
  limitDueAt,
  type Place,
  type UserLimit,
  type ZonedLimit,
} from '../../../domain/limit.ts';
import type { UserKey } from '../../../domain/user.ts';
import { sparse, sql } from '../sql.ts';

type Cell = string | number | null | undefined;
export type Column<Row> = readonly [name: string, type: string, cell: (row: Row) => Cell];

const iso = (at: Date | null | undefined) => at?.toISOString();
const sequence = (place: { readonly sequence: bigint } | null) => place?.sequence.toString();
const event = (place: Place | null) => place?.event;
const writeOlder = (older: LimitState['older']) =>
  JSON.stringify(older.map((one) => ({ ...one, sequence: String(one.sequence) })));

const idColumn: Column<LimitKey> = ['user_limit_id', 'text', (row) => row.userLimitId];

export const keyColumns: readonly Column<LimitKey>[] = [
  ['tenant_id', 'text', (row) => row.tenantId],
  ['user_id', 'text', (row) => row.userId],
  idColumn,
];

/** The columns of the state of a limit. */
const stateColumns: readonly Column<LimitState>[] = [
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
  ['earlier_value', 'numeric', ({ earlier }) => earlier?.value],
  ['earlier_sequence', 'bigint', (row) => sequence(row.earlier)],
  ['older', 'jsonb', ({ older }) => (older.length > 0 ? writeOlder(older) : null)],
  ['previous_progress', 'numeric', ({ change }) => change?.previousProgress],
  ['amount', 'numeric', ({ change }) => change?.amount],
  ['remaining', 'numeric', ({ change }) => change?.remaining],
  ['change_sequence', 'bigint', (row) => sequence(row.change)],
  ['last_reset_at', 'timestamptz', (row) => iso(row.lastReset?.at)],
  ['last_reset_value', 'numeric', ({ lastReset }) => lastReset?.value],
  ['last_reset_sequence', 'bigint', (row) => sequence(row.lastReset)],
  ['next_reset_at', 'timestamptz', (row) => iso(row.nextReset?.at)],
  ['next_reset_sequence', 'bigint', (row) => sequence(row.nextReset)],
  ['version', 'bigint', (row) => String(row.version)],
];

/** The columns that say which events set the state, and which of its effects were already handled. */
const originColumns: readonly Column<UserLimit>[] = [
  ['definition_event', 'text', (row) => event(row.definition)],
  ['earlier_event', 'text', (row) => event(row.earlier)],
  ['change_event', 'text', (row) => event(row.change)],
  ['last_reset_event', 'text', (row) => event(row.lastReset)],
  ['next_reset_event', 'text', (row) => event(row.nextReset)],
  ['told_percent', 'int', ({ notifiedThreshold }) => notifiedThreshold?.percent],
  ['told_sequence', 'bigint', (row) => sequence(row.notifiedThreshold)],
  ['told_event', 'text', (row) => event(row.notifiedThreshold) || null],
  ['updated_at', 'timestamptz', (row) => iso(row.updatedAt)],
];

/** The column by which due limits are found. No read returns it. */
const dueColumns: readonly Column<UserLimit>[] = [['due_at', 'timestamptz', (row) => iso(limitDueAt(row))]];

const eventColumns: readonly Column<LimitRecord>[] = [
  ['sequence_number', 'bigint', (row) => String(row.sequence)],
  ['source', 'text', (row) => row.source],
  ['event_id', 'text', (row) => row.eventId],
  ['type', 'text', (row) => row.type],
  ['occurred_at', 'timestamptz', (row) => iso(row.occurredAt)],
  ['progress_after', 'numeric', (row) => row.progressAfter],
  ['raw', 'text', (row) => row.raw],
];

export const names = <Row>(table: readonly Column<Row>[]) => sql.raw(table.map(([name]) => name).join(', '));

/**
 * The separator is a control character. No cell contains one, because JSON escapes control characters and
 * names contain none. For the same reason no cell contains a line break.
 */
const separator = '\x1e';

/**
 * Returns the rows as arguments of `unnest`, with one text per column. Passing arrays instead costs ten times
 * as much, because pg escapes every element. An empty cell means NULL, because no value is an empty text. A
 * column without values is sent as a single NULL, and `unnest` fills the column with nulls.
 */
export const cells = <Row>(table: readonly Column<Row>[], rows: readonly Row[]) =>
  sql.join(
    table.map(([, type, cell]) => {
      const text = sparse(rows, (row) => cell(row) ?? null)?.join(separator) ?? null;
      return sql`string_to_array(${text}, E'\\x1e', '')::${sql.raw(type)}[]`;
    }),
  );

export const limitColumns: readonly Column<UserLimit>[] = [
  ...keyColumns,
  ...stateColumns,
  ...originColumns,
  ...dueColumns,
];
export const recordColumns: readonly Column<LimitRecord>[] = [...keyColumns, ...eventColumns];
export const replaced = sql.raw(
  limitColumns
    .slice(keyColumns.length)
    .map(([name]) => `${name} = excluded.${name}`)
    .join(', '),
);

/**
 * Selects a row of `user_limit AS l` as one text, without the user. Times are seconds since the epoch. If the
 * client parsed thirty columns per row instead, that would cost more than finding the rows costs the server.
 */
const asText = <Row>(...table: readonly Column<Row>[]) => {
  const column = ([name, type]: Column<Row>) =>
    type === 'timestamptz' ? `date_part('epoch', l.${name})` : `l.${name}`;
  return sql.raw(`ROW(${table.map(column).join(', ')})::text`);
};

export const stateText = asText<LimitState>(idColumn, ...stateColumns);
export const limitText = asText<UserLimit>(idColumn, ...stateColumns, ...originColumns);

/**
 * Splits the text of a row into its cells
 * (https://www.postgresql.org/docs/current/rowtypes.html#ROWTYPES-IO-SYNTAX).
 */
function cellsOf(row: string): readonly string[] {
  const inner = row.slice(1, -1);
  if (!inner.includes('"')) return inner.split(',');
  return [...inner.matchAll(/(?<=^|,)(?:"((?:[^"\\]|""|\\.)*)"|([^,]*))/gs)].map(
    ([, quoted, plain = '']) => quoted?.replace(/""|\\./gs, (pair) => pair.slice(1)) ?? plain,
  );
}

const readOlder = (json: string): UserLimit['older'] =>
  JSON.parse(json, (field, value) => (field === 'sequence' ? BigInt(value) : value));
const orNull = (cell: string | undefined) => cell || null;
const moment = (cell: string | undefined) => (cell ? new Date(Math.round(Number(cell) * 1000)) : null);

/** The user to whom a limit belongs, with the user's time zone. */
export interface Owner extends UserKey {
  readonly timeZone: string;
}

/**
 * Parses a limit from a `limitText`, or from a `stateText`, which has only the state. A part without a
 * sequence becomes null. One expression creates the whole object, because JavaScript reads an object slowly
 * if properties were added to it later.
 */
export function limitOf(text: string, owner: Owner): ZonedLimit;
export function limitOf(text: string, owner: UserKey): UserLimit;
export function limitOf(
  text: string,
  { tenantId, userId, timeZone }: UserKey & Partial<Owner>,
): UserLimit & Partial<ZonedLimit> {
  const [
    userLimitId = '',
    brandId = '',
    currencyCode,
    type,
    period,
    status,
    activeFrom,
    activeUntil,
    value = '',
    statedPrevious,
    initialProgress,
    definitionSequence,
    earlierValue = '',
    earlierSequence,
    older,
    previousProgress = '',
    amount = '',
    remaining,
    changeSequence,
    lastResetAt,
    lastResetValue,
    lastResetSequence,
    nextResetAt,
    nextResetSequence,
    version,
    definitionEvent = '',
    earlierEvent = '',
    changeEvent = '',
    lastResetEvent = '',
    nextResetEvent = '',
    toldPercent,
    toldSequence,
    toldEvent = '',
    updatedAt,
  ] = cellsOf(text);
  return {
    tenantId,
    userId,
    userLimitId,
    brandId,
    type: type as LimitType,
    period: period as LimitPeriod,
    status: status as LimitStatus,
    currencyCode: orNull(currencyCode),
    activeFrom: moment(activeFrom),
    activeUntil: moment(activeUntil),
    definition: definitionSequence
      ? {
          sequence: BigInt(definitionSequence),
          event: definitionEvent,
          value,
          statedPrevious: orNull(statedPrevious),
          initialProgress: orNull(initialProgress),
        }
      : null,
    earlier: earlierSequence
      ? { sequence: BigInt(earlierSequence), event: earlierEvent, value: earlierValue }
      : null,
    older: older ? readOlder(older) : [],
    change: changeSequence
      ? {
          sequence: BigInt(changeSequence),
          event: changeEvent,
          previousProgress,
          amount,
          remaining: orNull(remaining),
        }
      : null,
    lastReset: lastResetSequence
      ? {
          sequence: BigInt(lastResetSequence),
          event: lastResetEvent,
          at: moment(lastResetAt) as Date,
          value: orNull(lastResetValue),
        }
      : null,
    nextReset: nextResetSequence
      ? { sequence: BigInt(nextResetSequence), event: nextResetEvent, at: moment(nextResetAt) as Date }
      : null,
    notifiedThreshold: toldSequence
      ? { sequence: BigInt(toldSequence), event: toldEvent, percent: Number(toldPercent) }
      : null,
    version: Number(version),
    updatedAt: moment(updatedAt) as Date,
    timeZone: timeZone as string,
  };
}

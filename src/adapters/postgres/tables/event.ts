import { compareText } from '../../../domain/compare.ts';
import type { EventIdentity } from '../../../ports/store/events.ts';
import type { KeyIdentity } from '../../../ports/store/idempotency.ts';
import { lines, type Queryable } from '../sql.ts';

export function createEventReads(db: Queryable) {
  return {
    async areApplied(events: readonly EventIdentity[]): Promise<readonly boolean[]> {
      if (events.length === 0) return [];
      const rows = await db.query<EventIdentity>`
        SELECT tenant_id AS "tenantId", source, event_id AS id FROM processed_event
        WHERE (tenant_id, source, event_id) IN (
          SELECT * FROM unnest(${events.map((event) => event.tenantId)}::text[],
            ${events.map((event) => event.source)}::text[], ${events.map((event) => event.id)}::text[]))`;
      const known = new Set(rows.map(identifyEvent));
      return events.map((event) => known.has(identifyEvent(event)));
    },
  };
}

/** Creates the writes to processed_event, whose rows record that an event was applied. */
export function createEventWrites(db: Queryable) {
  return {
    async claimEvents(events: readonly EventIdentity[], now: Date): Promise<readonly boolean[]> {
      if (events.length === 0) return [];
      // The events are claimed in the same order by all workers. So two workers with the same events cannot
      // deadlock.
      const distinct = distinctInOrder(events, compareEvents);
      const column = (name: keyof EventIdentity) =>
        lines(distinct, (n) => (events[n] as EventIdentity)[name]);
      const [row] = await db.query<{ readonly known: readonly number[] | null }>`
        SELECT claim_events(string_to_array(${column('tenantId')}, E'\\n'), string_to_array(${column('source')}, E'\\n'),
          string_to_array(${column('id')}, E'\\n'), ${now}::timestamptz) AS known`;
      return freshOf(events, distinct, row?.known);
    },

    async unclaimEvents(events: readonly EventIdentity[]): Promise<void> {
      if (events.length === 0) return;
      await db.execute`
        DELETE FROM processed_event WHERE (tenant_id, source, event_id) IN (
          SELECT * FROM unnest(${events.map((event) => event.tenantId)}::text[],
            ${events.map((event) => event.source)}::text[], ${events.map((event) => event.id)}::text[]))`;
    },
  };
}

export function createIdempotencyReads(db: Queryable) {
  return {
    async boundDigest({ tenantId, caller, mutation, key }: KeyIdentity): Promise<string | undefined> {
      const [bound] = await db.query<{ readonly digest: string }>`
        SELECT digest FROM idempotency_key
        WHERE tenant_id = ${tenantId} AND caller = ${caller} AND mutation = ${mutation} AND key = ${key}`;
      return bound?.digest;
    },
  };
}

/** Creates the write that binds idempotency keys. It can run in a transaction or alone. */
export function createIdempotencyWrites(db: Queryable) {
  return {
    async bindKeys(
      keys: readonly (KeyIdentity & { readonly digest: string })[],
      now: Date,
    ): Promise<readonly string[]> {
      if (keys.length === 0) return [];
      // The UPDATE of an existing row changes nothing, but makes RETURNING return the row with the digest
      // that was bound first.
      const rows = await db.query<KeyIdentity & { readonly digest: string }>`
        INSERT INTO idempotency_key AS bound (tenant_id, caller, mutation, key, digest, created_at)
        SELECT DISTINCT ON (tenant_id, caller, mutation, key) tenant_id, caller, mutation, key, digest, ${now}::timestamptz
        FROM unnest(${keys.map((key) => key.tenantId)}::text[], ${keys.map((key) => key.caller)}::text[],
          ${keys.map((key) => key.mutation)}::text[], ${keys.map((key) => key.key)}::text[],
          ${keys.map((key) => key.digest)}::text[]) WITH ORDINALITY AS new (tenant_id, caller, mutation, key, digest, n)
        ORDER BY tenant_id, caller, mutation, key, n
        ON CONFLICT (tenant_id, caller, mutation, key) DO UPDATE SET digest = bound.digest
        RETURNING tenant_id AS "tenantId", caller, mutation, key, digest`;
      const digests = new Map(rows.map((row) => [identifyKey(row), row.digest]));
      return keys.map((key) => digests.get(identifyKey(key)) ?? key.digest);
    },
  };
}

const compareEvents = (a: EventIdentity, b: EventIdentity) =>
  compareText(a.id, b.id) || compareText(a.source, b.source) || compareText(a.tenantId, b.tenantId);

/**
 * Returns the indexes of the rows to claim, in an order that depends only on the content of the rows. If
 * several rows are equal, only the index of the first is in the result.
 */
export function distinctInOrder<Row>(
  rows: readonly Row[],
  compareRows: (a: Row, b: Row) => number,
): readonly number[] {
  const compareAt = (a: number, b: number) => compareRows(rows[a] as Row, rows[b] as Row);
  const sorted = rows.map((_, n) => n).sort(compareAt);
  return sorted.filter((n, place) => place === 0 || compareAt(sorted[place - 1] as number, n) !== 0);
}

/**
 * Returns whether each row was newly claimed. `known` lists the rows that were claimed before, as positions
 * in `distinct`, counted from 1.
 */
export function freshOf(
  rows: readonly unknown[],
  distinct: readonly number[],
  known: readonly number[] | null | undefined,
): readonly boolean[] {
  const fresh = rows.map(() => false);
  for (const n of distinct) fresh[n] = true;
  for (const place of known ?? []) fresh[distinct[place - 1] as number] = false;
  return fresh;
}

const identifyEvent = ({ tenantId, source, id }: EventIdentity) => JSON.stringify([tenantId, source, id]);

const identifyKey = ({ tenantId, caller, mutation, key }: KeyIdentity) =>
  JSON.stringify([tenantId, caller, mutation, key]);

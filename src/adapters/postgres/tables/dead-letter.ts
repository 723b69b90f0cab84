import { v7 as uuidV7 } from 'uuid';
import { originHeaders } from '../../../events/record.ts';
import { deadLetterSuffix } from '../../../events/topic.ts';
import type { DeadLetter, DeadLetterFilter, StoredDeadLetter } from '../../../ports/store/dead-letters.ts';
import { type Queryable, sql } from '../sql.ts';
import { headersJson, notifyRelay, storableKey } from './outbox.ts';

const selected = (payload = sql`payload`) => sql`
  tenant_id AS "tenantId", id, topic, partition, "offset", key, headers, ${payload} AS payload,
  octet_length(payload) AS "payloadBytes", error_code AS "errorCode", error_message AS "errorMessage", attempts,
  failed_at AS "failedAt"`;

// The tenants to search. The query searches each tenant separately along the index, so the cost does not
// depend on the number of dead letters.
const tenantsOf = ({ tenantIds }: DeadLetterFilter) =>
  tenantIds ? sql`unnest(${[...tenantIds]}::text[])` : everyTenant;
// Finds all tenants by jumping from one tenant to the next along the index. DISTINCT would read every row.
const everyTenant = sql`(
  WITH RECURSIVE next AS (
    (SELECT tenant_id FROM dead_letter ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT tenant_id FROM dead_letter WHERE tenant_id > next.tenant_id ORDER BY tenant_id LIMIT 1)
    FROM next WHERE next.tenant_id IS NOT NULL
  )
  SELECT tenant_id FROM next WHERE tenant_id IS NOT NULL)`;

/** The conditions on the topic and the error code, if the filter has them. */
const conditionsOf = ({ topic, errorCode }: DeadLetterFilter) => [
  ...(topic === undefined ? [] : [sql`topic = ${topic}`]),
  ...(errorCode === undefined ? [] : [sql`error_code = ${errorCode}`]),
];

/**
 * Creates the writes of dead letters. These statements move the bytes between tables inside PostgreSQL, so no
 * payload is read into this process again.
 */
export function createDeadLetterWrites(db: Queryable) {
  return {
    async addDeadLetters(deadLetters: readonly DeadLetter[]): Promise<void> {
      if (deadLetters.length === 0) return;
      await db.execute`
        WITH letter AS (
          INSERT INTO dead_letter (tenant_id, id, topic, partition, "offset", key, headers, payload, error_code,
            error_message, attempts, failed_at)
          SELECT * FROM unnest(
            ${deadLetters.map((letter) => letter.tenantId)}::text[], ${deadLetters.map(() => uuidV7())}::uuid[],
            ${deadLetters.map((letter) => letter.topic)}::text[], ${deadLetters.map((letter) => letter.partition)}::int[],
            ${deadLetters.map((letter) => String(letter.offset))}::bigint[],
            ${deadLetters.map((letter) => storableKey(letter.key))}::text[],
            ${deadLetters.map((letter) => headersJson(letter.headers))}::jsonb[],
            ${deadLetters.map((letter) => Buffer.from(letter.payload))}::bytea[],
            ${deadLetters.map((letter) => letter.errorCode)}::text[],
            ${deadLetters.map((letter) => letter.errorMessage)}::text[],
            ${deadLetters.map((letter) => letter.attempts)}::int[],
            ${deadLetters.map((letter) => letter.failedAt.toISOString())}::timestamptz[])
          ON CONFLICT DO NOTHING
          RETURNING *
        ), copy AS (
          INSERT INTO outbox (topic, key, value, headers, created_at)
          SELECT topic || ${deadLetterSuffix}, key, payload, headers || jsonb_build_object('topic', topic,
            'partition', partition::text, 'offset', "offset"::text, 'error-code', error_code,
            'error-message', error_message, 'attempts', attempts::text), failed_at
          FROM letter ORDER BY topic, partition, "offset"
          RETURNING 1
        )
        SELECT ${notifyRelay} FROM (SELECT count(*) FROM copy) AS copied (count) WHERE count > 0`;
    },

    async requeueDeadLetters(
      ids: readonly string[],
      filter: DeadLetterFilter,
      now: Date,
    ): Promise<readonly string[]> {
      // All calls lock the rows in the same order, so two calls cannot deadlock. The record gets headers that
      // name the place of its failure. If the letter already has such headers, they are not replaced. So a
      // record that fails repeatedly still names the place of its first failure.
      const rows = await db.query<{ id: string }>`
        WITH chosen AS (
          SELECT letter.tenant_id, letter.id FROM ${tenantsOf(filter)} AS tenant (id)
          JOIN dead_letter AS letter ON letter.tenant_id = tenant.id AND letter.id = ANY(${[...ids]}::uuid[])
          ORDER BY letter.tenant_id, letter.id FOR UPDATE OF letter
        ), taken AS (
          DELETE FROM dead_letter WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM chosen) RETURNING *
        ), requeued AS (
          INSERT INTO outbox (topic, key, value, headers, created_at)
          SELECT topic, key, payload, jsonb_build_object(${originHeaders.topic}::text, topic,
            ${originHeaders.partition}::text, partition::text, ${originHeaders.offset}::text, "offset"::text) || headers,
            ${now}::timestamptz
          FROM taken ORDER BY topic, partition, "offset"
          RETURNING 1
        )
        SELECT taken.id, ${notifyRelay} FROM taken, (SELECT count(*) FROM requeued) AS done`;
      return rows.map(({ id }) => id);
    },
  };
}

export function createDeadLetterReads(db: Queryable) {
  return {
    async deadLetters({
      first,
      after,
      maxPayloadBytes,
      ...filter
    }: DeadLetterFilter & {
      readonly first: number;
      readonly maxPayloadBytes?: number;
      readonly after?: { readonly failedAt: Date; readonly id: string };
    }): Promise<readonly StoredDeadLetter[]> {
      // The statement contains only the conditions that the filter states. With conditions that may be null
      // the planner would not read along the index in order.
      const conditions = [
        sql`tenant_id = tenant.id`,
        ...conditionsOf(filter),
        ...(after ? [sql`(failed_at, id) < (${after.failedAt}::timestamptz, ${after.id}::uuid)`] : []),
      ];
      const payload =
        maxPayloadBytes === undefined
          ? undefined
          : sql`substring(payload FROM 1 FOR ${maxPayloadBytes}::int)`;
      return db.query<StoredDeadLetter>`
        SELECT letter.* FROM ${tenantsOf(filter)} AS tenant (id) CROSS JOIN LATERAL (
          SELECT ${selected(payload)} FROM dead_letter WHERE ${sql.join(conditions, ' AND ')}
          ORDER BY failed_at DESC, id DESC LIMIT ${first}
        ) AS letter ORDER BY letter."failedAt" DESC, letter.id DESC LIMIT ${first}`;
    },

    async deadLetter(id: string, filter: DeadLetterFilter): Promise<StoredDeadLetter | undefined> {
      const rows = await db.query<StoredDeadLetter>`
        SELECT ${selected()} FROM dead_letter
        WHERE tenant_id IN (SELECT tenant.id FROM ${tenantsOf(filter)} AS tenant (id)) AND id = ${id}::uuid`;
      return rows[0];
    },

    async countDeadLetters({ tenantIds, ...filter }: DeadLetterFilter): Promise<number> {
      const conditions = [
        tenantIds ? sql`tenant_id = ANY(${tenantIds}::text[])` : sql`TRUE`,
        ...conditionsOf(filter),
      ];
      const [row] = await db.query<{ readonly count: number }>`
        SELECT count(*)::int AS count FROM dead_letter WHERE ${sql.join(conditions, ' AND ')}`;
      return row?.count ?? 0;
    },
  };
}

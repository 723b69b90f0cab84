import { runEach } from '../../../async/run-each.ts';
import type { Expiring, SweepOutcome, SweptKind } from '../../../ports/store/retention.ts';
import { type Fragment, type Queryable, sql } from '../sql.ts';
import { expireEarlyViews, type InTransaction } from './early-item-view.ts';

/** The number of pages of a table that one statement reads. 2000 pages are 16 MB, which takes about 10 ms. */
const stridePages = 2_000;

/** The tables that are partitioned by month. Their partitions are dropped as a whole. */
const partitioned: Partial<Record<Expiring, readonly string[]>> = {
  pageViews: ['page_view'],
  activity: ['user_activity', 'user_activity_member'],
};

interface RowsOfTable {
  readonly table: string;
  /** Returns a condition for the rows to remove. Rows from before the given moment are old. */
  readonly condition: (before: Date) => Fragment;
}

const olderBy = (table: string, column: string): RowsOfTable => ({
  table,
  condition: (before) => sql`${sql.raw(column)} < ${before}::timestamptz`,
});

const rows: Record<Expiring, readonly RowsOfTable[]> = {
  pageViews: [],
  activity: [
    olderBy('user_activity_metrics', 'bucket_start'),
    olderBy('user_activity_type', 'bucket_start'),
    {
      // If a type has no counts any more, its removal makes room for a new type.
      table: 'activity_type',
      condition: (before) => sql`first_seen_at < ${before}::timestamptz AND NOT EXISTS (
        SELECT FROM user_activity_type AS counted WHERE counted.tenant_id = activity_type.tenant_id
          AND counted.granularity = 'DAY' AND counted.activity_type = activity_type.activity_type)`,
    },
  ],
  itemViews: [olderBy('item_view', 'viewed_at')],
  // `expireEarlyViews` removes the early views.
  earlyItemViews: [],
  changes: [olderBy('inbox_change', 'changed_at')],
  limitHistory: [
    {
      // The events that define the current limit are not removed. Before each of these events, and before the
      // oldest event that remains, the last event that states the progress is not removed either. OFFSET 0
      // makes PostgreSQL use the index for each old row. A join would read the whole table for every range of
      // pages.
      table: 'user_limit_event',
      condition: (before) => sql`occurred_at < ${before}::timestamptz AND EXISTS (
        SELECT FROM user_limit_event AS later
        WHERE (later.tenant_id, later.user_id, later.user_limit_id)
            = (user_limit_event.tenant_id, user_limit_event.user_id, user_limit_event.user_limit_id)
          AND later.sequence_number > user_limit_event.sequence_number
          AND later.progress_after IS NOT NULL AND later.occurred_at < ${before}::timestamptz OFFSET 0)
        AND NOT EXISTS (
          SELECT FROM user_limit AS own, unnest(ARRAY[own.definition_sequence, own.earlier_sequence,
            own.change_sequence, own.last_reset_sequence, own.next_reset_sequence]
            || ARRAY(SELECT (one ->> 'sequence')::bigint FROM jsonb_array_elements(own.older) AS one)) AS needed
          WHERE (own.tenant_id, own.user_id, own.user_limit_id)
              = (user_limit_event.tenant_id, user_limit_event.user_id, user_limit_event.user_limit_id)
            AND (needed = user_limit_event.sequence_number
              OR needed > user_limit_event.sequence_number AND user_limit_event.progress_after IS NOT NULL AND NOT EXISTS (
                SELECT FROM user_limit_event AS nearer
                WHERE (nearer.tenant_id, nearer.user_id, nearer.user_limit_id)
                    = (own.tenant_id, own.user_id, own.user_limit_id)
                  AND nearer.sequence_number > user_limit_event.sequence_number
                  AND nearer.sequence_number < needed AND nearer.progress_after IS NOT NULL))
          OFFSET 0)`,
    },
  ],
  marks: [olderBy('processed_event', 'processed_at'), olderBy('counted_event', 'processed_at')],
  idempotencyKeys: [olderBy('idempotency_key', 'created_at')],
  deadLetters: [olderBy('dead_letter', 'failed_at')],
  notifications: [
    {
      // None of these notifications counts as unseen or unread, now or later. A snoozed notification is not
      // removed even if it was read, because it arrives again.
      table: 'notification',
      condition: (before) => sql`(read_at < ${before}::timestamptz AND snoozed_until IS NULL
        OR status IN ('SUPPRESSED', 'CANCELED', 'EXPIRED') AND greatest(created_at, expires_at) < ${before}::timestamptz)`,
    },
    {
      // An opening records when the notifications that it covered were first seen. The opening is not removed
      // while one of these notifications exists.
      table: 'inbox_opening',
      condition: (before) => sql`opened_at < ${before}::timestamptz AND NOT EXISTS (
        SELECT FROM notification AS covered
        WHERE (covered.tenant_id, covered.user_id) = (inbox_opening.tenant_id, inbox_opening.user_id)
          AND covered.seq <= inbox_opening.up_to_seq AND covered.seq > coalesce((
            SELECT max(earlier.up_to_seq) FROM inbox_opening AS earlier
            WHERE (earlier.tenant_id, earlier.user_id) = (inbox_opening.tenant_id, inbox_opening.user_id)
              AND earlier.up_to_seq < inbox_opening.up_to_seq), 0))`,
    },
  ],
};

/**
 * Removes old data with short statements that wait for no lock. Partitions are dropped as a whole. Other
 * tables are read in ranges of pages, and locked rows are left for the next run. Old rows are found by
 * reading the whole table, because an index on the time would slow every event.
 */
export function createRetentionQueries(db: Queryable, inTransaction: InTransaction) {
  async function inTable({ table, condition }: RowsOfTable, before: Date, dryRun: boolean): Promise<number> {
    const name = sql.raw(table);
    const [size] = await db.query<{ pages: number }>`
      SELECT (pg_relation_size(${table}::regclass) / current_setting('block_size')::int)::int AS pages`;
    let found = 0;
    for (let from = 0; from < (size?.pages ?? 0); from += stridePages) {
      const old = sql`
        SELECT ctid FROM ${name} WHERE ctid >= ${`(${from},0)`}::tid AND ctid < ${`(${from + stridePages},0)`}::tid
          AND ${condition(before)}`;
      if (dryRun) {
        const [count] = await db.query<{ n: number }>`SELECT count(*)::int AS n FROM (${old}) AS old`;
        found += count?.n ?? 0;
      } else {
        found += await db.execute`
          DELETE FROM ${name} WHERE ctid = ANY(ARRAY(${old} FOR UPDATE SKIP LOCKED)) AND ${condition(before)}`;
      }
    }
    return found;
  }

  async function inPartitions(parent: string, before: Date, dryRun: boolean): Promise<number> {
    const old = await db.query<{ name: string }>`
      SELECT old_partitions(${parent}, ${before}::timestamptz) AS name`;
    const drop = (name: string) => () =>
      db.query`SELECT drop_old_partition(${parent}, ${name}, ${before}::timestamptz)`;
    if (!dryRun) await runEach(old.map(({ name }) => drop(name)));
    return old.length;
  }

  return {
    /** Removes the old data of every table and partition of a kind, even if one of them fails. */
    async expire(kind: Expiring, before: Date, { dryRun }: { readonly dryRun: boolean }): Promise<number> {
      const counts = await runEach([
        ...(partitioned[kind] ?? []).map((parent) => () => inPartitions(parent, before, dryRun)),
        ...(kind === 'earlyItemViews' ? [() => expireEarlyViews({ db, inTransaction }, before, dryRun)] : []),
        ...rows[kind].map((one) => () => inTable(one, before, dryRun)),
      ]);
      return counts.reduce((sum, count) => sum + count, 0);
    },

    async noteSweep(
      kind: SweptKind,
      at: Date,
      { succeeded }: { readonly succeeded: boolean },
    ): Promise<void> {
      await db.execute`
        INSERT INTO sweep (kind, since, succeeded_at)
        VALUES (${kind}, ${at}::timestamptz, ${succeeded ? at : null}::timestamptz)
        ON CONFLICT (kind) DO UPDATE SET succeeded_at = greatest(sweep.succeeded_at, excluded.succeeded_at)`;
    },

    sweeps: (): Promise<readonly SweepOutcome[]> =>
      db.query<SweepOutcome>`SELECT kind, since, succeeded_at AS "succeededAt" FROM sweep ORDER BY kind`,
  };
}

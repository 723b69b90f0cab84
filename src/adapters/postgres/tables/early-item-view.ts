import type { Queryable } from '../sql.ts';
import { shareCollectionLock } from './item.ts';

/** Runs `work` in a transaction. */
export type InTransaction = <T>(work: (db: Queryable) => Promise<T>) => Promise<T>;

/** The number of views that one statement handles. */
const viewsAtOnce = 2_000;

/**
 * Ends the waiting of the early views that were recorded before a moment. An early view is a view of an item
 * that was not published when the view was recorded. If the item is published now, its view remains as an
 * ordinary view. Otherwise the view is removed. The removal of a view increments the version of the user,
 * because another transaction may be publishing the item at the same time. Returns the number of removed
 * views. With `dryRun` nothing is removed, and the result is the number of views that would be removed.
 */
export async function expireEarlyViews(
  { db, inTransaction }: { readonly db: Queryable; readonly inTransaction: InTransaction },
  before: Date,
  dryRun: boolean,
): Promise<number> {
  if (dryRun) {
    const [count] = await db.query<{ n: number }>`
      SELECT count(*)::int AS n FROM early_item_view AS early WHERE kept_at < ${before}::timestamptz AND NOT EXISTS (
        SELECT FROM item WHERE (item.tenant_id, item.collection, item.item_id)
          = (early.tenant_id, early.collection, early.item_id))`;
    return count?.n ?? 0;
  }
  for (let found = 0; ; ) {
    const { passed, removed } = await inTransaction((transaction) => passSome(transaction, before));
    found += removed;
    if (passed < viewsAtOnce) return found;
  }
}

async function passSome(
  db: Queryable,
  before: Date,
): Promise<{ readonly passed: number; readonly removed: number }> {
  await db.execute`${shareCollectionLock}`;
  const [done] = await db.query<{ passed: number; removed: number }>`
    WITH old AS MATERIALIZED (
      SELECT tenant_id, user_id, collection, item_id FROM early_item_view WHERE kept_at < ${before}::timestamptz
      LIMIT ${viewsAtOnce}::int FOR UPDATE SKIP LOCKED
    ), unpublished AS MATERIALIZED (
      SELECT * FROM old WHERE NOT EXISTS (SELECT FROM item WHERE (item.tenant_id, item.collection, item.item_id)
        = (old.tenant_id, old.collection, old.item_id))
    ), removed AS (
      DELETE FROM item_view AS v USING unpublished AS u
      WHERE (v.tenant_id, v.user_id, v.collection, v.item_id) = (u.tenant_id, u.user_id, u.collection, u.item_id)
      RETURNING 1
    ), moved AS (
      INSERT INTO item_viewer (tenant_id, user_id, collection, version, updated_at)
      SELECT DISTINCT tenant_id, user_id, collection, 1, now()
      FROM unpublished JOIN item_collection USING (tenant_id, collection) ORDER BY 1, 2, 3
      ON CONFLICT (tenant_id, user_id, collection)
      DO UPDATE SET version = item_viewer.version + 1, updated_at = greatest(item_viewer.updated_at, excluded.updated_at)
    ), passed AS (
      DELETE FROM early_item_view AS e USING old
      WHERE (e.tenant_id, e.user_id, e.collection, e.item_id)
        = (old.tenant_id, old.user_id, old.collection, old.item_id)
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM passed)::int AS passed, (SELECT count(*) FROM removed)::int AS removed`;
  return done ?? { passed: 0, removed: 0 };
}

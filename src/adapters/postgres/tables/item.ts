import { type Badge, itemsKey } from '../../../domain/badge.ts';
import {
  type CollectionKey,
  type Horizon,
  type Item,
  type ItemCollection,
  type ItemView,
  maxEarlyViews,
  type ViewedItem,
  type ViewerKey,
} from '../../../domain/item.ts';
import type { UserKey } from '../../../domain/user.ts';
import type { ItemPage } from '../../../ports/store/items.ts';
import type { PrismaClient } from '../generated/client.ts';
import { type Queryable, sql } from '../sql.ts';
import { columns } from './user.ts';

/**
 * The first key of the advisory lock for collections that do not exist ("unsc" in ASCII). A view in a
 * collection that does not exist changes no version. If the collection were created at the same time, a count
 * could change without its version. So a transaction that writes or removes such a view takes the lock
 * shared, and a transaction that creates a collection takes it exclusively.
 */
const collectionLock = 0x756e7363;

/** Blocks the creation of collections until the end of the transaction. */
export const shareCollectionLock = sql`SELECT pg_advisory_xact_lock_shared(${collectionLock}, 0)`;

const selected = sql`
  item.tenant_id AS "tenantId", item.collection, item.item_id AS "itemId", title, published_at AS "publishedAt",
  views_from AS "viewsFrom", retracted_at AS "retractedAt"`;

/** Selects items together with the view of one user. If no user is given, the view is null. */
const viewedBy = (viewerId: string | undefined) => sql`
  SELECT ${selected}, viewed_at AS "viewedAt" FROM item LEFT JOIN item_view AS v ON v.tenant_id = item.tenant_id
    AND v.user_id = ${viewerId ?? null} AND v.collection = item.collection AND v.item_id = item.item_id
    AND v.viewed_at >= item.views_from`;

interface BadgeRow extends ViewerKey {
  readonly unseen: number;
  readonly version: bigint;
  readonly asOf: Date;
  /** Whether the count includes items that were published before the horizon. Then the count is outdated. */
  readonly isDue: boolean;
}

/**
 * Counts the unseen items that were published since `counted_from` of their collection. If the count includes
 * items from before the horizon, `isDue` is true.
 * The query joins views and items with a full join, because PostgreSQL never runs a full join as nested
 * loops. For other joins the planner chooses nested loops if it expects few rows. Then 5 000 views among 10
 * 000 items take seconds instead of milliseconds.
 */
function countItemBadges(db: Queryable, keys: readonly ViewerKey[], { start }: Horizon): Promise<BadgeRow[]> {
  const [tenantIds, userIds] = columns(keys);
  return db.query<BadgeRow>`
    WITH wanted AS MATERIALIZED (
      SELECT DISTINCT * FROM unnest(
        ${tenantIds}::text[], ${userIds}::text[], ${keys.map((key) => key.collection)}::text[])
        AS wanted (tenant_id, user_id, collection)
    ), known AS MATERIALIZED (
      SELECT * FROM item_collection
      WHERE (tenant_id, collection) IN (SELECT tenant_id, collection FROM wanted)
    ), counted AS MATERIALIZED (
      SELECT tenant_id, collection, item_id, published_at, views_from
      FROM known JOIN item USING (tenant_id, collection)
      WHERE retracted_at IS NULL AND published_at >= counted_from
    ), total AS (
      SELECT tenant_id, collection, count(*) AS items, min(published_at) AS oldest FROM counted GROUP BY 1, 2
    ), viewed AS (
      SELECT view.tenant_id, user_id, view.collection, count(*) FILTER (WHERE viewed_at >= views_from) AS items
      FROM (SELECT item_view.* FROM wanted JOIN item_view USING (tenant_id, user_id, collection)) AS view
      FULL JOIN counted USING (tenant_id, collection, item_id) GROUP BY 1, 2, 3
    )
    SELECT tenant_id AS "tenantId", user_id AS "userId", collection,
      (coalesce(total.items, 0) - coalesce(viewed.items, 0))::int AS unseen,
      coalesce(known.version, 0) + coalesce(viewer.version, 0) AS version,
      greatest(known.updated_at, viewer.updated_at) AS "asOf", coalesce(oldest < ${start}::timestamptz, false) AS "isDue"
    FROM wanted LEFT JOIN known USING (tenant_id, collection) LEFT JOIN total USING (tenant_id, collection)
    LEFT JOIN item_viewer AS viewer USING (tenant_id, user_id, collection)
    LEFT JOIN viewed USING (tenant_id, user_id, collection)
    WHERE known.version IS NOT NULL OR viewer.version IS NOT NULL`;
}

/**
 * Moves `counted_from` to the horizon, so that older items no longer count. If several callers do so at the
 * same time, only one of them increments the version.
 */
async function expireItems(
  db: Queryable,
  collections: readonly CollectionKey[],
  { now, start }: Horizon,
): Promise<void> {
  await db.execute`
    WITH due AS (
      SELECT tenant_id, collection FROM item_collection AS c
      WHERE (tenant_id, collection) IN (SELECT * FROM unnest(
          ${collections.map((key) => key.tenantId)}::text[], ${collections.map((key) => key.collection)}::text[]))
        AND EXISTS (SELECT FROM item WHERE tenant_id = c.tenant_id AND collection = c.collection
          AND retracted_at IS NULL AND published_at >= c.counted_from AND published_at < ${start}::timestamptz)
      ORDER BY tenant_id, collection FOR UPDATE
    )
    UPDATE item_collection AS c SET version = version + 1, counted_from = ${start}::timestamptz,
      updated_at = ${now}::timestamptz
    FROM due WHERE c.tenant_id = due.tenant_id AND c.collection = due.collection`;
}

export function createItemReads(db: Queryable) {
  return {
    async itemBadges(keys: readonly ViewerKey[], horizon: Horizon): Promise<readonly Badge[]> {
      if (keys.length === 0) return [];
      let rows = await countItemBadges(db, keys, horizon);
      const due = rows.filter(({ isDue }) => isDue);
      if (due.length > 0) {
        await expireItems(db, due, horizon);
        rows = await countItemBadges(db, keys, horizon);
      }
      return rows.map(({ tenantId, userId, collection, unseen, version, asOf }) => ({
        tenantId,
        userId,
        key: itemsKey(collection),
        unseen,
        unread: unseen,
        version: Number(version),
        asOf,
      }));
    },

    async items(
      { tenantId, collection }: CollectionKey,
      { first, after, viewerId, unseenFrom }: ItemPage,
    ): Promise<readonly ViewedItem[]> {
      const place = after
        ? sql`AND (published_at, item.item_id) < (${after.publishedAt}::timestamptz, ${after.itemId})`
        : sql.empty;
      const unseen = unseenFrom
        ? sql`AND viewed_at IS NULL AND published_at >= (
            SELECT greatest(counted_from, ${unseenFrom}::timestamptz) FROM item_collection
            WHERE tenant_id = ${tenantId} AND collection = ${collection})`
        : sql.empty;
      return db.query<ViewedItem>`
        ${viewedBy(viewerId)}
        WHERE item.tenant_id = ${tenantId} AND item.collection = ${collection} AND retracted_at IS NULL ${place} ${unseen}
        ORDER BY published_at DESC, item.item_id DESC LIMIT ${first}`;
    },

    async item(
      { tenantId, collection }: CollectionKey,
      itemId: string,
      viewerId: string | undefined,
    ): Promise<ViewedItem | undefined> {
      const rows = await db.query<ViewedItem>`
        ${viewedBy(viewerId)}
        WHERE item.tenant_id = ${tenantId} AND item.collection = ${collection} AND item.item_id = ${itemId}
          AND retracted_at IS NULL`;
      return rows[0];
    },
  };
}

export function createItemWrites(db: Queryable) {
  return {
    async ensureCollection({ tenantId, collection }: CollectionKey, { now, start }: Horizon): Promise<void> {
      await db.execute`
        WITH locked AS MATERIALIZED (
          SELECT pg_advisory_xact_lock(${collectionLock}, 0) WHERE NOT EXISTS (
            SELECT FROM item_collection WHERE tenant_id = ${tenantId} AND collection = ${collection})
        )
        INSERT INTO item_collection (tenant_id, collection, counted_from, updated_at)
        SELECT ${tenantId}, ${collection}, ${start}::timestamptz, ${now}::timestamptz FROM locked
        ON CONFLICT DO NOTHING`;
    },

    async lockCollection({ tenantId, collection }: CollectionKey): Promise<ItemCollection | undefined> {
      const rows = await db.query<Omit<ItemCollection, 'version'> & { readonly version: bigint }>`
        SELECT tenant_id AS "tenantId", collection, version, updated_at AS "updatedAt"
        FROM item_collection WHERE tenant_id = ${tenantId} AND collection = ${collection} FOR UPDATE`;
      return rows[0] && { ...rows[0], version: Number(rows[0].version) };
    },

    async saveCollection({ tenantId, collection, version, updatedAt }: ItemCollection): Promise<void> {
      await db.execute`
        UPDATE item_collection SET version = ${String(version)}::bigint, updated_at = ${updatedAt}::timestamptz
        WHERE tenant_id = ${tenantId} AND collection = ${collection}`;
    },

    async itemsById(
      { tenantId, collection }: CollectionKey,
      itemIds: readonly string[],
    ): Promise<readonly Item[]> {
      return db.query<Item>`
        SELECT ${selected} FROM item
        WHERE tenant_id = ${tenantId} AND collection = ${collection} AND item_id = ANY (${itemIds}::text[])`;
    },

    async saveItems(items: readonly Item[]): Promise<void> {
      if (items.length === 0) return;
      await db.execute`
        INSERT INTO item (tenant_id, collection, item_id, title, published_at, views_from, retracted_at)
        SELECT * FROM unnest(
          ${items.map((item) => item.tenantId)}::text[], ${items.map((item) => item.collection)}::text[],
          ${items.map((item) => item.itemId)}::text[], ${items.map((item) => item.title)}::text[],
          ${items.map((item) => item.publishedAt.toISOString())}::timestamptz[],
          ${items.map((item) => item.viewsFrom.toISOString())}::timestamptz[],
          ${items.map((item) => item.retractedAt?.toISOString() ?? null)}::timestamptz[])
        ON CONFLICT (tenant_id, collection, item_id) DO UPDATE SET title = excluded.title,
          published_at = excluded.published_at, views_from = excluded.views_from, retracted_at = excluded.retracted_at`;
    },
  };
}

export function createItemViewWrites(db: Queryable) {
  return {
    async addItemViews(views: readonly ItemView[], { now, start }: Horizon): Promise<number> {
      if (views.length === 0) return 0;
      const [tenantIds, userIds] = columns(views);
      const collections = views.map((view) => view.collection);
      // The lock is a separate statement before the next one, so that the next statement sees a collection
      // that another transaction is creating. Both statements are sent together, because the caller may send
      // the commit right after them.
      const locked = db.execute`${shareCollectionLock} WHERE EXISTS (
        SELECT FROM unnest(${tenantIds}::text[], ${collections}::text[]) AS wanted (tenant_id, collection)
        WHERE NOT EXISTS (SELECT FROM item_collection AS known
          WHERE (known.tenant_id, known.collection) = (wanted.tenant_id, wanted.collection)))`;
      const added = db.query<{ readonly unkept: number }>`
        WITH new AS MATERIALIZED (
          SELECT new.*, item.item_id IS NULL AND early.item_id IS NULL AS is_early
          FROM unnest(
            ${tenantIds}::text[], ${userIds}::text[], ${collections}::text[],
            ${views.map((view) => view.itemId)}::text[],
            ${views.map((view) => view.viewedAt.toISOString())}::timestamptz[])
            AS new (tenant_id, user_id, collection, item_id, viewed_at)
          LEFT JOIN item USING (tenant_id, collection, item_id)
          LEFT JOIN early_item_view AS early USING (tenant_id, user_id, collection, item_id)
        ), kept AS MATERIALIZED (
          SELECT tenant_id, user_id, count(*) AS views FROM early_item_view
          WHERE (tenant_id, user_id) IN (SELECT tenant_id, user_id FROM new WHERE is_early) GROUP BY 1, 2
        ), placed AS (
          SELECT new.*, coalesce(kept.views, 0) + row_number() OVER (PARTITION BY tenant_id, user_id
            ORDER BY collection, item_id) AS place
          FROM new LEFT JOIN kept USING (tenant_id, user_id) WHERE is_early
        ), admitted AS MATERIALIZED (
          SELECT tenant_id, user_id, collection, item_id, viewed_at, is_early FROM new WHERE NOT is_early
          UNION ALL
          SELECT tenant_id, user_id, collection, item_id, viewed_at, is_early FROM placed WHERE place <= ${maxEarlyViews}::int
        ), changed AS (
          INSERT INTO item_view (tenant_id, user_id, collection, item_id, viewed_at)
          SELECT tenant_id, user_id, collection, item_id, viewed_at FROM admitted
          ORDER BY tenant_id, user_id, collection, item_id
          ON CONFLICT (tenant_id, user_id, collection, item_id) DO UPDATE SET viewed_at = excluded.viewed_at
          WHERE item_view.viewed_at < ${start}::timestamptz AND excluded.viewed_at > item_view.viewed_at
          RETURNING tenant_id, user_id, collection
        ), early AS (
          INSERT INTO early_item_view (tenant_id, user_id, collection, item_id, kept_at)
          SELECT tenant_id, user_id, collection, item_id, ${now}::timestamptz FROM admitted WHERE is_early
          ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING
        ), viewer AS (
          INSERT INTO item_viewer (tenant_id, user_id, collection, version, updated_at)
          SELECT DISTINCT tenant_id, user_id, collection, 1, ${now}::timestamptz
          FROM changed JOIN item_collection USING (tenant_id, collection) ORDER BY 1, 2, 3
          ON CONFLICT (tenant_id, user_id, collection)
          DO UPDATE SET version = item_viewer.version + 1, updated_at = excluded.updated_at
        )
        SELECT ((SELECT count(*) FROM new) - (SELECT count(*) FROM admitted))::int AS unkept`;
      const [[row]] = await Promise.all([added, locked]);
      return row?.unkept ?? 0;
    },

    async forgetItemViews({ tenantId, userId }: UserKey, now: Date): Promise<readonly string[]> {
      // If the collection does not exist yet, the statement creates it with a `counted_from` of the epoch.
      // The next reader moves `counted_from` to the horizon.
      await db.execute`${shareCollectionLock}`;
      const moved = await db.query<{ readonly collection: string }>`
        WITH views AS (
          DELETE FROM item_view WHERE tenant_id = ${tenantId} AND user_id = ${userId} RETURNING collection
        ), early AS (
          DELETE FROM early_item_view WHERE tenant_id = ${tenantId} AND user_id = ${userId}
        ), viewer AS (
          DELETE FROM item_viewer WHERE tenant_id = ${tenantId} AND user_id = ${userId} RETURNING collection, version
        ), viewed AS (
          SELECT DISTINCT collection FROM views JOIN item_collection USING (collection) WHERE tenant_id = ${tenantId}
        )
        INSERT INTO item_collection AS known (tenant_id, collection, version, counted_from, updated_at)
        SELECT ${tenantId}, collection, coalesce(version, 0) + 1, 'epoch', ${now}::timestamptz
        FROM viewer FULL JOIN viewed USING (collection) ORDER BY collection
        ON CONFLICT (tenant_id, collection)
        DO UPDATE SET version = known.version + excluded.version, updated_at = excluded.updated_at
        RETURNING collection`;
      return moved.map(({ collection }) => collection);
    },
  };
}

export function createItemLookups({ item, itemCollection }: Pick<PrismaClient, 'item' | 'itemCollection'>) {
  return {
    countItems: ({ tenantId, collection }: CollectionKey): Promise<number> =>
      item.count({ where: { tenantId, collection, retractedAt: null } }),

    collections: async (tenantId: string, first: number): Promise<readonly string[]> =>
      (
        await itemCollection.findMany({
          where: { tenantId },
          select: { collection: true },
          orderBy: { collection: 'asc' },
          take: first,
        })
      ).map(({ collection }) => collection),
  };
}

import { type Badge, itemsKey } from '../../domain/badge.ts';
import type {
  CollectionKey,
  Horizon,
  Item,
  ItemCollection,
  ItemView,
  ViewedItem,
  ViewerKey,
} from '../../domain/item.ts';
import type { UserKey } from '../../domain/user.ts';
import type { ItemPage } from '../../ports/store.ts';
import { Prisma, type PrismaClient } from './generated/client.ts';
import type { Sql } from './sql.ts';
import { columns } from './user.ts';

const selected = Prisma.sql`
  item.tenant_id AS "tenantId", item.collection, item.item_id AS "itemId", title, published_at AS "publishedAt",
  views_from AS "viewsFrom", retracted_at AS "retractedAt"`;

/** Items beside the view of a user; of nobody: null. */
const viewedBy = (viewerId: string | undefined) => Prisma.sql`
  SELECT ${selected}, viewed_at AS "viewedAt" FROM item LEFT JOIN item_view AS v ON v.tenant_id = item.tenant_id
    AND v.user_id = ${viewerId ?? null} AND v.collection = item.collection AND v.item_id = item.item_id
    AND v.viewed_at >= item.views_from`;

interface BadgeRow extends ViewerKey {
  readonly unseen: number;
  readonly version: bigint;
  readonly asOf: Date;
  /** Something that counts was published before the horizon: the count is not true any more. */
  readonly isDue: boolean;
}

export function createItemQueries(sql: Sql) {
  /**
   * Counts by the collections' own `counted_from`; what has fallen behind the horizon since is due. The join of views and
   * items is a full one since that is never done by nested loops: those a planner chooses who takes either for few, and
   * 5 000 views among 10 000 items are seconds then and not milliseconds.
   */
  function countItemBadges(keys: readonly ViewerKey[], { start }: Horizon): Promise<BadgeRow[]> {
    const [tenantIds, userIds] = columns(keys);
    return sql.query<BadgeRow>`
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

  /** What was published before the horizon counts no more. Of several who notice, one changes the version. */
  async function expireItems(collections: readonly CollectionKey[], { now, start }: Horizon): Promise<void> {
    await sql.execute`
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

  return {
    async itemBadges(keys: readonly ViewerKey[], horizon: Horizon): Promise<readonly Badge[]> {
      if (keys.length === 0) return [];
      let rows = await countItemBadges(keys, horizon);
      const due = rows.filter(({ isDue }) => isDue);
      if (due.length > 0) {
        await expireItems(due, horizon);
        rows = await countItemBadges(keys, horizon);
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
        ? Prisma.sql`AND (published_at, item.item_id) < (${after.publishedAt}::timestamptz, ${after.itemId})`
        : Prisma.empty;
      const unseen = unseenFrom
        ? Prisma.sql`AND viewed_at IS NULL AND published_at >= (
            SELECT greatest(counted_from, ${unseenFrom}::timestamptz) FROM item_collection
            WHERE tenant_id = ${tenantId} AND collection = ${collection})`
        : Prisma.empty;
      return sql.query<ViewedItem>`
        ${viewedBy(viewerId)}
        WHERE item.tenant_id = ${tenantId} AND item.collection = ${collection} AND retracted_at IS NULL ${place} ${unseen}
        ORDER BY published_at DESC, item.item_id DESC LIMIT ${first}`;
    },

    async item(
      { tenantId, collection }: CollectionKey,
      itemId: string,
      viewerId: string | undefined,
    ): Promise<ViewedItem | undefined> {
      const rows = await sql.query<ViewedItem>`
        ${viewedBy(viewerId)}
        WHERE item.tenant_id = ${tenantId} AND item.collection = ${collection} AND item.item_id = ${itemId}
          AND retracted_at IS NULL`;
      return rows[0];
    },
  };
}

export function createItemWrites(sql: Sql) {
  return {
    async ensureCollection({ tenantId, collection }: CollectionKey, { now, start }: Horizon): Promise<void> {
      await sql.execute`
        INSERT INTO item_collection (tenant_id, collection, counted_from, updated_at)
        VALUES (${tenantId}, ${collection}, ${start}::timestamptz, ${now}::timestamptz) ON CONFLICT DO NOTHING`;
    },

    async lockCollection({ tenantId, collection }: CollectionKey): Promise<ItemCollection | undefined> {
      const rows = await sql.query<Omit<ItemCollection, 'version'> & { readonly version: bigint }>`
        SELECT tenant_id AS "tenantId", collection, version, updated_at AS "updatedAt"
        FROM item_collection WHERE tenant_id = ${tenantId} AND collection = ${collection} FOR UPDATE`;
      return rows[0] && { ...rows[0], version: Number(rows[0].version) };
    },

    async saveCollection({ tenantId, collection, version, updatedAt }: ItemCollection): Promise<void> {
      await sql.execute`
        UPDATE item_collection SET version = ${String(version)}::bigint, updated_at = ${updatedAt}::timestamptz
        WHERE tenant_id = ${tenantId} AND collection = ${collection}`;
    },

    async itemsById(
      { tenantId, collection }: CollectionKey,
      itemIds: readonly string[],
    ): Promise<readonly Item[]> {
      return sql.query<Item>`
        SELECT ${selected} FROM item
        WHERE tenant_id = ${tenantId} AND collection = ${collection} AND item_id = ANY (${itemIds}::text[])`;
    },

    async saveItems(items: readonly Item[]): Promise<void> {
      if (items.length === 0) return;
      await sql.execute`
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

    async addItemViews(views: readonly ItemView[], { now, start }: Horizon): Promise<void> {
      if (views.length === 0) return;
      const [tenantIds, userIds] = columns(views);
      await sql.execute`
        WITH changed AS (
          INSERT INTO item_view (tenant_id, user_id, collection, item_id, viewed_at)
          SELECT * FROM unnest(
            ${tenantIds}::text[], ${userIds}::text[], ${views.map((view) => view.collection)}::text[],
            ${views.map((view) => view.itemId)}::text[],
            ${views.map((view) => view.viewedAt.toISOString())}::timestamptz[])
            AS new (tenant_id, user_id, collection, item_id, viewed_at)
          ORDER BY tenant_id, user_id, collection, item_id
          ON CONFLICT (tenant_id, user_id, collection, item_id) DO UPDATE SET viewed_at = excluded.viewed_at
          WHERE item_view.viewed_at < ${start}::timestamptz AND excluded.viewed_at > item_view.viewed_at
          RETURNING tenant_id, user_id, collection
        )
        INSERT INTO item_viewer (tenant_id, user_id, collection, version, updated_at)
        SELECT DISTINCT tenant_id, user_id, collection, 1, ${now}::timestamptz FROM changed ORDER BY 1, 2, 3
        ON CONFLICT (tenant_id, user_id, collection)
        DO UPDATE SET version = item_viewer.version + 1, updated_at = excluded.updated_at`;
    },

    async forgetItemViews({ tenantId, userId }: UserKey, now: Date): Promise<readonly string[]> {
      // What counts in a collection that is not there yet may begin anywhere: whoever reads moves it to the horizon.
      const moved = await sql.query<{ readonly collection: string }>`
        WITH views AS (
          DELETE FROM item_view WHERE tenant_id = ${tenantId} AND user_id = ${userId}
        ), viewer AS (
          DELETE FROM item_viewer WHERE tenant_id = ${tenantId} AND user_id = ${userId} RETURNING collection, version
        )
        INSERT INTO item_collection AS known (tenant_id, collection, version, counted_from, updated_at)
        SELECT ${tenantId}, collection, version + 1, 'epoch', ${now}::timestamptz FROM viewer ORDER BY collection
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

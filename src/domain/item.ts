import type { ItemViewed } from '../events/item-view.ts';
import type { Badge, BadgeKey } from './badge.ts';
import { dayMs } from './page-view.ts';
import type { UserKey } from './user.ts';

/** Names a collection; it comes to be with its first item. */
export interface CollectionKey {
  readonly tenantId: string;
  readonly collection: string;
}

/** What is the same for all who look at a collection. Changed only under its lock, so version order is commit order. */
export interface ItemCollection extends CollectionKey {
  /** Grows with every change of what counts. */
  readonly version: number;
  readonly updatedAt: Date;
}

export interface Item extends CollectionKey {
  /** The tenant's own name for it, unique within the collection. */
  readonly itemId: string;
  readonly title: string | null;
  readonly publishedAt: Date;
  /** Views from before this had expired when the item was published, and do not count. */
  readonly viewsFrom: Date;
  readonly retractedAt: Date | null;
}

/** An item as one user sees it. */
export interface ViewedItem extends Item {
  /** null: not viewed by that user. */
  readonly viewedAt: Date | null;
}

/** A user and a collection: what an item badge is about. */
export interface ViewerKey extends UserKey, CollectionKey {}

export interface ItemView extends ViewerKey {
  readonly itemId: string;
  readonly viewedAt: Date;
}

/** Views of items that are not published, kept per user. */
export const maxEarlyViews = 1_000;

/** An item as its publisher gives it. */
export interface ItemDraft {
  readonly itemId: string;
  /** Absent: keeps the one it has. */
  readonly title?: string | null | undefined;
  /** Absent: now. */
  readonly publishedAt?: Date | undefined;
}

/** A moment, and how far back from it items count and views are remembered. */
export interface Horizon {
  readonly now: Date;
  readonly start: Date;
}

export const defaultViewHorizonDays = 183;

export function horizonAt(now: Date, viewHorizonDays: number): Horizon {
  return { now, start: new Date(now.getTime() - viewHorizonDays * dayMs) };
}

/** The badge of a collection of which a user has nothing to see, and nothing ever changed for them. */
export function emptyItemBadge({ tenantId, userId, key }: BadgeKey, now: Date): Badge {
  return { tenantId, userId, key, unseen: 0, unread: 0, version: 0, asOf: now };
}

/**
 * The drafts as items, in their order. What is published already gets the title and is not new; what was retracted is
 * published again. Each item at most once among the drafts.
 */
export function publish(
  collection: ItemCollection,
  known: readonly Item[],
  drafts: readonly ItemDraft[],
  { now, start }: Horizon,
): { readonly collection: ItemCollection; readonly items: readonly Item[] } {
  const knownById = new Map(known.map((item) => [item.itemId, item]));
  const { tenantId } = collection;
  const items = drafts.map(({ itemId, title, publishedAt }): Item => {
    const before = knownById.get(itemId);
    const titled = { itemId, title: title === undefined ? (before?.title ?? null) : title };
    if (before && !before.retractedAt) return { ...before, ...titled };
    return {
      tenantId,
      collection: collection.collection,
      ...titled,
      publishedAt: publishedAt ?? now,
      viewsFrom: start,
      retractedAt: null,
    };
  });
  const isChanged = items.some(({ itemId }) => knownById.get(itemId)?.retractedAt !== null);
  return { collection: isChanged ? changed(collection, now) : collection, items };
}

/** The items, retracted; those that were already stay as they are. */
export function retract(
  collection: ItemCollection,
  known: readonly Item[],
  now: Date,
): { readonly collection: ItemCollection; readonly items: readonly Item[] } {
  const items = known.map((item) => ({ ...item, retractedAt: item.retractedAt ?? now }));
  const isChanged = known.some(({ retractedAt }) => retractedAt === null);
  return { collection: isChanged ? changed(collection, now) : collection, items };
}

function changed(collection: ItemCollection, now: Date): ItemCollection {
  return { ...collection, version: collection.version + 1, updatedAt: now };
}

/** What users viewed, each item of a user once, when they did last. */
export function viewsOf(events: readonly ItemViewed[]): readonly ItemView[] {
  const views = new Map<string, ItemView>();
  for (const { tenantId, userId, occurredAt: viewedAt, data } of events) {
    for (const itemId of data.itemIds) {
      const view = { tenantId, userId, collection: data.collection, itemId, viewedAt };
      // None of the names holds a control character.
      const name = [tenantId, userId, data.collection, itemId].join('\n');
      const other = views.get(name);
      if (!other || other.viewedAt < viewedAt) views.set(name, view);
    }
  }
  return [...views.values()];
}

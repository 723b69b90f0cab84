import type { ItemViewed } from '../events/item-view.ts';
import type { Badge, BadgeKey } from './badge.ts';
import { dayMs } from './page-view.ts';
import type { UserKey } from './user.ts';

/** Identifies a collection. Publishing its first item creates the collection. */
export interface CollectionKey {
  readonly tenantId: string;
  readonly collection: string;
}

/**
 * The state of a collection, which all users share. Every transaction that changes a collection locks its
 * row, so versions follow the order of the commits.
 */
export interface ItemCollection extends CollectionKey {
  /** Increases with every change that affects a badge. */
  readonly version: number;
  readonly updatedAt: Date;
}

export interface Item extends CollectionKey {
  /** The tenant's own id of the item, unique within the collection. */
  readonly itemId: string;
  readonly title: string | null;
  readonly publishedAt: Date;
  /** Views before this time do not count, because they had already expired when the item was published. */
  readonly viewsFrom: Date;
  readonly retractedAt: Date | null;
}

/** An item, with the view of one user. */
export interface ViewedItem extends Item {
  /** Null if the user has not viewed the item. */
  readonly viewedAt: Date | null;
}

/** A user and a collection. Together they identify an item badge. */
export interface ViewerKey extends UserKey, CollectionKey {}

export interface ItemView extends ViewerKey {
  readonly itemId: string;
  readonly viewedAt: Date;
}

/** The maximum number of views of unpublished items that are stored per user. */
export const maxEarlyViews = 1_000;

/** An item as its publisher describes it. */
export interface ItemDraft {
  readonly itemId: string;
  /** The title. If absent, an item that is already published keeps its title. */
  readonly title?: string | null | undefined;
  /** Defaults to now. */
  readonly publishedAt?: Date | undefined;
}

/** The current time, and the start of the period in which items count and views are stored. */
export interface Horizon {
  readonly now: Date;
  readonly start: Date;
}

export const defaultViewHorizonDays = 183;

export function horizonAt(now: Date, viewHorizonDays: number): Horizon {
  return { now, start: new Date(now.getTime() - viewHorizonDays * dayMs) };
}

/** Returns the badge of a user for a collection that never changed and has no item for the user. */
export function emptyItemBadge({ tenantId, userId, key }: BadgeKey, now: Date): Badge {
  return { tenantId, userId, key, unseen: 0, unread: 0, version: 0, asOf: now };
}

/**
 * Converts drafts to items, in the same order. An item that is already published only gets the new title. A
 * retracted item is published again. The drafts must not contain an item twice.
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

/** Retracts the items. Items that are already retracted do not change. */
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

/** Returns the last view of each item by each user. */
export function viewsOf(events: readonly ItemViewed[]): readonly ItemView[] {
  const views = new Map<string, ItemView>();
  for (const { tenantId, userId, occurredAt: viewedAt, data } of events) {
    for (const itemId of data.itemIds) {
      const view = { tenantId, userId, collection: data.collection, itemId, viewedAt };
      // These names contain no control character, so the key is unambiguous.
      const name = [tenantId, userId, data.collection, itemId].join('\n');
      const other = views.get(name);
      if (!other || other.viewedAt < viewedAt) views.set(name, view);
    }
  }
  return [...views.values()];
}

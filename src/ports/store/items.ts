import type { Badge } from '../../domain/badge.ts';
import type {
  CollectionKey,
  Horizon,
  Item,
  ItemCollection,
  ItemView,
  ViewedItem,
  ViewerKey,
} from '../../domain/item.ts';

/** Reads items of collections and their badges. */
export interface ItemStore {
  /**
   * Returns the badges of users for collections, in no order. Skips collections that never changed. An item
   * is unseen and unread if it was published within the horizon, is not retracted, and was not viewed by the
   * user.
   *
   * The version of a badge is the sum of a version of the collection and a version of the user. The
   * transaction that changes the count also increases one of these two versions. Publishing and retracting
   * increase the version of the collection. Viewing increases the version of the user. Neither version ever
   * decreases, so two different counts never have the same version.
   *
   * The passing of time changes counts too, and every changed count needs a new version. So the horizon is
   * not computed from the clock. The horizon begins at a time that is stored with the collection. When a
   * counted item has become older than the horizon, the first reader moves the stored time and increases the
   * version. Concurrent readers increase the version only once. A badge that is read is therefore correct,
   * and a badge that is watched is correct after the next resync.
   *
   * Views expire with their items. A view counts as long as its item counts, unless the view was older than
   * the horizon when the item was published. Views that cannot count again are pruned.
   */
  itemBadges(keys: readonly ViewerKey[], horizon: Horizon): Promise<readonly Badge[]>;
  /** Returns the first collections of a tenant, sorted by name. */
  collections(tenantId: string, first: number): Promise<readonly string[]>;
  /**
   * Returns items that are not retracted and follow `after` in the list, newest first. Ties are sorted by id,
   * descending.
   */
  items(key: CollectionKey, page: ItemPage): Promise<readonly ViewedItem[]>;
  countItems(key: CollectionKey): Promise<number>;
  /** Returns an item. Undefined if the item does not exist or is retracted. */
  item(key: CollectionKey, itemId: string, viewerId: string | undefined): Promise<ViewedItem | undefined>;
}

export interface ItemTransaction {
  /**
   * Creates the collection unless it exists. In a new collection, items count if they are published after the
   * start of the horizon.
   */
  ensureCollection(key: CollectionKey, horizon: Horizon): Promise<void>;
  /**
   * Locks the collection until the end of the transaction and returns it. Undefined if the collection does
   * not exist.
   */
  lockCollection(key: CollectionKey): Promise<ItemCollection | undefined>;
  /** Saves the version of a locked collection. */
  saveCollection(collection: ItemCollection): Promise<void>;
  /** Returns the items that exist, retracted or not, in no order. */
  itemsById(key: CollectionKey, itemIds: readonly string[]): Promise<readonly Item[]>;
  /** Creates or replaces items of a locked collection. The array must not contain an item twice. */
  saveItems(items: readonly Item[]): Promise<void>;
  /**
   * Records views. The array must not contain two views of an item by the same user. Increases the versions
   * of the users whose counts changed. The first view of an item is stored until it is older than the horizon
   * and there is a newer view. Of each user, at most `maxEarlyViews` views of unpublished items are stored.
   * Returns the number of views that were dropped because of this bound.
   */
  addItemViews(views: readonly ItemView[], horizon: Horizon): Promise<number>;
}

export interface ItemPage {
  readonly first: number;
  readonly after?: { readonly publishedAt: Date; readonly itemId: string };
  /** The user whose views are returned with the items. If absent, no views are returned. */
  readonly viewerId?: string;
  /** Selects the items that are unseen for the user `viewerId`, with a horizon that starts at this time. */
  readonly unseenFrom?: Date;
}

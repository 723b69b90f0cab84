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
   * The badges of users over collections, for those collections that ever changed, in no order. An item is unseen, and
   * unread, if it was published within the horizon, is not retracted and was not viewed by the user.
   *
   * The version is the sum of the version of the collection and that of the user. The transaction that changes the count
   * also increases one of the two: publishing and retracting that of the collection, viewing that of the user. Both only
   * grow, and two different counts never have the same version.
   *
   * Time changes counts too, and must not do so without a new version. So the horizon is a moment that is kept with the
   * collection, not the clock. The first reader after a counted item has fallen behind the horizon moves that moment and
   * increases the version once, however many readers notice. A badge that is read is therefore correct, and one that is
   * watched is correct after the next resync.
   *
   * Views expire with their items. A view counts as long as its item does, unless it was older than the horizon when the
   * item was published. Views that cannot count again are pruned.
   */
  itemBadges(keys: readonly ViewerKey[], horizon: Horizon): Promise<readonly Badge[]>;
  /** The first collections of a tenant, by name. */
  collections(tenantId: string, first: number): Promise<readonly string[]>;
  /** Items that are not retracted, after the place `after`, newest first. Ties are sorted by id, descending. */
  items(key: CollectionKey, page: ItemPage): Promise<readonly ViewedItem[]>;
  countItems(key: CollectionKey): Promise<number>;
  /** undefined when the item does not exist or is retracted. */
  item(key: CollectionKey, itemId: string, viewerId: string | undefined): Promise<ViewedItem | undefined>;
}

export interface ItemTransaction {
  /** Creates the collection unless it exists. Items count in a new collection from the horizon on. */
  ensureCollection(key: CollectionKey, horizon: Horizon): Promise<void>;
  /** The collection, locked until the end of the transaction. */
  lockCollection(key: CollectionKey): Promise<ItemCollection | undefined>;
  /** Saves the version of a locked collection. */
  saveCollection(collection: ItemCollection): Promise<void>;
  /** The items that exist, retracted or not, in no order. */
  itemsById(key: CollectionKey, itemIds: readonly string[]): Promise<readonly Item[]>;
  /** Creates or replaces items of a locked collection, each at most once in a call. */
  saveItems(items: readonly Item[]): Promise<void>;
  /**
   * Notes views, each item of a user at most once in a call, and increases the versions of the users whose counts changed.
   * The first view of an item is kept until it is older than the horizon and there is a newer one. At most `maxEarlyViews`
   * views of a user are kept for items that are not published. Returns how many views were dropped for that reason.
   */
  addItemViews(views: readonly ItemView[], horizon: Horizon): Promise<number>;
}

export interface ItemPage {
  readonly first: number;
  readonly after?: { readonly publishedAt: Date; readonly itemId: string };
  /** The user whose views are returned. Defaults to none. */
  readonly viewerId?: string;
  /** Only the items that count as unseen for that user, with a horizon at this moment. */
  readonly unseenFrom?: Date;
}

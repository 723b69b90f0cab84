import type { CollectionKey, ViewedItem } from '../../domain/item.ts';
import type { ItemPage, ItemStore } from '../../ports/store/items.ts';
import { readSlice, type Slice } from './slice.ts';

/** Reads items and the names of their collections. */
export function createItemReads({ store }: { readonly store: ItemStore }) {
  return {
    /** Returns the items of a collection that are not retracted, newest first. */
    list: (key: CollectionKey, page: ItemPage): Promise<Slice<ViewedItem>> =>
      readSlice(page.first, (first) => store.items(key, { ...page, first })),
    count: (key: CollectionKey): Promise<number> => store.countItems(key),
    /** Returns the item. Undefined if the item does not exist or is retracted. */
    one: (
      key: CollectionKey,
      itemId: string,
      viewerId: string | undefined,
    ): Promise<ViewedItem | undefined> => store.item(key, itemId, viewerId),
    /** Returns the first collections of a tenant, sorted by name. */
    collections: (tenantId: string, first: number): Promise<readonly string[]> =>
      store.collections(tenantId, first),
  };
}

export type ItemReads = ReturnType<typeof createItemReads>;

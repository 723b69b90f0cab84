import { itemsKey } from '../../domain/badge.ts';
import {
  type CollectionKey,
  defaultViewHorizonDays,
  horizonAt,
  type Item,
  type ItemDraft,
  publish,
  retract,
} from '../../domain/item.ts';
import { timelinessProblem } from '../../domain/page-view.ts';
import { type Problem, problemsOf } from '../../domain/problem.ts';
import { maxItems } from '../../events/item-view.ts';
import { collectionName, name, text } from '../../events/text.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { ItemTransaction } from '../../ports/store/items.ts';
import type { Transactions } from '../../ports/store/transactions.ts';
import { publishMove } from '../deliver/publish.ts';
import { createQuotas, type Quotas, unlimited } from '../record/quota.ts';

const title = text(200).nullish();

/** The changed items, and the problems of the items that were not changed. */
export interface PublishedItems {
  readonly items: readonly Item[];
  readonly problems: readonly Problem[];
}

/**
 * Creates the functions that publish and retract items. Each call commits one transaction. If the collection
 * changed, the call then publishes one message to all watchers of the collection. A call rejects with
 * UNAVAILABLE if it is unknown whether the transaction was committed. Repeating a call is harmless.
 */
export function createItems(
  {
    store,
    pubSub,
    clock,
    logger,
  }: {
    readonly store: Transactions<ItemTransaction>;
    readonly pubSub: PubSub;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  {
    retentionDays,
    viewHorizonDays = defaultViewHorizonDays,
    quotas = createQuotas({ clock }, unlimited),
  }: {
    readonly retentionDays: number;
    readonly viewHorizonDays?: number;
    /** Defaults to no quotas. */
    readonly quotas?: Pick<Quotas, 'items'>;
  },
) {
  return {
    /**
     * Publishes all items. If there are problems, publishes no item. Creates the collection if it does not
     * exist.
     */
    async publish(key: CollectionKey, drafts: readonly ItemDraft[]): Promise<PublishedItems> {
      const horizon = horizonAt(clock.now(), viewHorizonDays);
      const itemIds = drafts.map(({ itemId }) => itemId);
      const problems = [
        ...bulkProblems(key, itemIds, (index) => ['input', 'items', index, 'itemId'], 'items'),
        ...drafts.flatMap((draft, index) => draftProblems(draft, String(index), horizon.now, retentionDays)),
      ];
      if (problems.length > 0) return { items: [], problems };
      const exceeded = quotas.items.take({ tenantId: key.tenantId }, drafts.length, ['input', 'items']);
      if (exceeded) return { items: [], problems: [exceeded] };
      const { items, isChanged } = await store.transaction(
        async (transaction) => {
          const [, collection, known] = await Promise.all([
            transaction.ensureCollection(key, horizon),
            transaction.lockCollection(key),
            transaction.itemsById(key, itemIds),
          ]);
          if (!collection) throw new Error('the collection that this transaction created is missing');
          const published = publish(collection, known, drafts, horizon);
          await Promise.all([
            transaction.saveItems(published.items),
            transaction.saveCollection(published.collection),
          ]);
          return { items: published.items, isChanged: published.collection !== collection };
        },
        { ...key, userId: '' },
      );
      if (isChanged) await publishMove({ pubSub, logger }, key.tenantId, moveOf(key, 'PUBLISHED'));
      return { items, problems: [] };
    },

    /**
     * Retracts the items that exist. Returns a problem for each item that does not exist. An item that is
     * already retracted does not change.
     */
    async retract(key: CollectionKey, itemIds: readonly string[]): Promise<PublishedItems> {
      const at = (index: string) => ['input', 'itemIds', index];
      const problems = bulkProblems(key, itemIds, at, 'itemIds');
      if (problems.length > 0) return { items: [], problems };
      const now = clock.now();
      const { items, isChanged } = await store.transaction(
        async (transaction) => {
          const [collection, known] = await Promise.all([
            transaction.lockCollection(key),
            transaction.itemsById(key, itemIds),
          ]);
          if (!collection) return { items: [], isChanged: false };
          const retracted = retract(collection, known, now);
          await Promise.all([
            transaction.saveItems(retracted.items),
            transaction.saveCollection(retracted.collection),
          ]);
          return { items: retracted.items, isChanged: retracted.collection !== collection };
        },
        { ...key, userId: '' },
      );
      if (isChanged) await publishMove({ pubSub, logger }, key.tenantId, moveOf(key, 'RETRACTED'));
      const byId = new Map(items.map((item) => [item.itemId, item]));
      return {
        items: itemIds.flatMap((itemId) => byId.get(itemId) ?? []),
        problems: itemIds.flatMap((itemId, index): readonly Problem[] =>
          byId.has(itemId)
            ? []
            : [{ code: 'NOT_FOUND', message: 'No such item in the collection.', path: at(String(index)) }],
        ),
      };
    },
  };
}

export type Items = ReturnType<typeof createItems>;

const moveOf = ({ collection }: CollectionKey, cause: 'PUBLISHED' | 'RETRACTED') => ({
  key: itemsKey(collection),
  cause,
});

/** Returns the problems of the collection name, of the number of items, and of the item ids. */
function bulkProblems(
  { collection }: CollectionKey,
  itemIds: readonly string[],
  at: (index: string) => readonly string[],
  field: string,
): readonly Problem[] {
  const named = collectionName.safeParse(collection);
  const problems = named.success ? [] : [...problemsOf(named.error, ['input', 'collection'])];
  if (itemIds.length === 0 || itemIds.length > maxItems) {
    const code = itemIds.length === 0 ? 'INVALID_INPUT' : 'TOO_MANY_ITEMS';
    const message = `${field} must have 1 to ${maxItems} entries.`;
    return [...problems, { code, message, path: ['input', field] }];
  }
  const seen = new Set<string>();
  itemIds.forEach((itemId, index) => {
    const path = at(String(index));
    const parsed = name.safeParse(itemId);
    if (!parsed.success) problems.push(...problemsOf(parsed.error, path));
    else if (seen.has(itemId))
      problems.push({ code: 'INVALID_INPUT', message: 'Duplicate itemId in this request.', path });
    seen.add(itemId);
  });
  return problems;
}

function draftProblems(
  draft: ItemDraft,
  index: string,
  now: Date,
  retentionDays: number,
): readonly Problem[] {
  const at = ['input', 'items', index];
  const titled = title.safeParse(draft.title);
  const untimely = timelinessProblem(draft.publishedAt ?? now, now, retentionDays, [...at, 'publishedAt']);
  return [
    ...(titled.success ? [] : problemsOf(titled.error, [...at, 'title'])),
    ...(untimely ? [untimely] : []),
  ];
}

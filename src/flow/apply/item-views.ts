import { itemsKey } from '../../domain/badge.ts';
import { horizonAt, viewsOf } from '../../domain/item.ts';
import { timelinessOf } from '../../domain/page-view.ts';
import type { ItemViewed } from '../../events/item-view.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import { publishRereads } from '../deliver/publish.ts';
import type { Stage } from './stage.ts';

/**
 * Creates the stage that stores views of items. A view of an item also marks the notifications about the item
 * as read.
 */
export function createItemViewStage(
  deps: { readonly pubSub: PubSub; readonly logger: Logger },
  { retentionDays, viewHorizonDays }: { readonly retentionDays: number; readonly viewHorizonDays: number },
) {
  let unkeptViews = 0;

  const stage: Stage<ItemViewed> = {
    types: ['itemViewed'],
    select(records, now) {
      const events = records.map(({ event }) => event);
      const kept = events.filter(
        ({ occurredAt }) => timelinessOf(occurredAt, now, retentionDays) !== 'too-old',
      );
      return {
        creates: events,
        visits: kept.flatMap(({ tenantId, userId, data }) =>
          data.itemIds.map((subjectId) => ({ tenantId, userId, subjectId })),
        ),
        isPublished: true,
        apply(event, inboxes) {
          inboxes.visit(event, event.data.itemIds, event.occurredAt);
          return 'applied';
        },
        write(transaction, fresh) {
          const views = viewsOf(kept.filter((event) => fresh.has(event)));
          const added = transaction.addItemViews(views, horizonAt(now, viewHorizonDays));
          return [
            added.then((unkept) => {
              unkeptViews += unkept;
            }),
          ];
        },
        // Only asks the watchers to read the badge. The readers of the badge count the items. Counting takes
        // longer for larger collections, and would delay the commit of the offset.
        publish: () => publishRereads(deps, events.map(badgeKeyOf), 'VIEWED'),
      };
    },
  };

  return {
    stage,
    /**
     * Returns the number of views of unpublished items that were not stored, because their user has too many
     * of them.
     */
    unkeptViews: (): number => unkeptViews,
  };
}

const badgeKeyOf = ({ tenantId, userId, data }: ItemViewed) => ({
  tenantId,
  userId,
  key: itemsKey(data.collection),
});

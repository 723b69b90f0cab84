import { type PageView, timelinessOf } from '../../domain/page-view.ts';
import type { PageViewed } from '../../events/page-view.ts';
import type { PartitionStore } from '../../ports/store/partitions.ts';
import type { ReadRecord } from './read-records.ts';
import { activityIdOf } from './row-id.ts';
import type { Stage } from './stage.ts';

/**
 * Creates the stage that stores page views. A page view of a subject also marks the notifications about the
 * subject as read.
 */
export function createPageViewStage(
  { store }: { readonly store: PartitionStore },
  { retentionDays }: { readonly retentionDays: number },
): Stage<PageViewed> {
  return {
    types: ['pageViewed'],
    select(records, now) {
      const kept = records.filter(
        ({ event }) => timelinessOf(event.occurredAt, now, retentionDays) !== 'too-old',
      );
      let rows: readonly PageView[] = [];
      return {
        creates: records.map(({ event }) => event),
        visits: kept.flatMap(({ event: { tenantId, userId, data } }) =>
          data.subjectId === undefined ? [] : [{ tenantId, userId, subjectId: data.subjectId }],
        ),
        makeRoom: () => store.preparePageViews(kept.map(({ event }) => event.occurredAt)),
        prepare() {
          rows = kept.map(rowOf);
        },
        apply(event, inboxes) {
          const { subjectId } = event.data;
          if (subjectId !== undefined) inboxes.visit(event, [subjectId], event.occurredAt);
          return 'applied';
        },
        write: (transaction, fresh) => [
          transaction.addPageViews(rows.filter((_, index) => fresh.has(kept[index]?.event as PageViewed))),
        ],
      };
    },
  };
}

function rowOf({ event, record }: ReadRecord<PageViewed>): PageView {
  const { tenantId, userId, occurredAt, data } = event;
  const { name, path = null, subjectId = null } = data;
  const id = activityIdOf(event);
  return { tenantId, userId, id, name, path, subjectId, occurredAt, receivedAt: record.appendedAt };
}

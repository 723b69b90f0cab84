import { z } from 'zod';
import { activityRecorded, activityTypeName, pageViewType } from './activity.ts';
import { type Decoded, describe, unreadable } from './decoded.ts';
import { itemViewed } from './item-view.ts';
import { pageViewed } from './page-view.ts';
import { type Fields, firstOf, type InboundRecord, idOfPlace, tenantOf } from './record.ts';
import { instant, name } from './text.ts';

/** The fields that every activity has. */
export const activityHead = z.object({
  userId: name,
  timestamp: instant,
  activityType: activityTypeName.default(pageViewType),
  eventId: name.optional(),
});

/**
 * Decodes an activity with fields in snake_case or camelCase. An activity that names an item of a collection
 * is an item view, whatever its type. Of the other activities, `page_view` is a page view, and any other type
 * is an activity. This function does not check the age of the event, because the workers check it when they
 * apply the event.
 */
export function decodeActivity(fields: Fields, record: InboundRecord): Decoded {
  const said = {
    userId: firstOf(fields, 'user_id', 'userId'),
    timestamp: firstOf(fields, 'timestamp'),
    activityType: firstOf(fields, 'activity_type', 'activityType'),
    eventId: firstOf(fields, 'event_id', 'eventId'),
  };
  const head = activityHead.safeParse(said);
  if (!head.success) return unreadable(describe(head.error, said));
  const { userId, timestamp, activityType, eventId } = head.data;
  const tenantId = tenantOf(record, userId);
  const common = {
    id: eventId ?? idOfPlace(record),
    source: record.topic,
    tenantId,
    userId,
    occurredAt: timestamp,
  };
  const collection = firstOf(fields, 'collection');
  const itemId = firstOf(fields, 'item_id', 'itemId');
  if (collection !== undefined && itemId !== undefined) {
    const viewed = { collection, itemIds: [itemId] };
    const data = itemViewed.data.safeParse(viewed);
    if (!data.success) return unreadable(describe(data.error, viewed), tenantId);
    const { type, schemaVersion } = itemViewed;
    return { kind: 'event', event: { ...common, type, data: data.data, schemaVersion } };
  }
  if (activityType !== pageViewType) {
    const { type, schemaVersion } = activityRecorded;
    return { kind: 'event', event: { ...common, type, data: { activityType }, schemaVersion } };
  }
  const page = {
    name: firstOf(fields, 'name', 'page'),
    path: firstOf(fields, 'path'),
    subjectId: firstOf(fields, 'subject_id', 'subjectId'),
  };
  const data = pageViewed.data.safeParse(page);
  if (!data.success) return unreadable(describe(data.error, page), tenantId);
  const { type, schemaVersion } = pageViewed;
  return { kind: 'event', event: { ...common, type, data: data.data, schemaVersion } };
}

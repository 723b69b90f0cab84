import { z } from 'zod';
import { activityRecorded, activityTypeName, pageViewType } from './activity.ts';
import type { Event } from './codec.ts';
import { type Decoded, describe, unreadable } from './decoded.ts';
import { pageViewed } from './page-view.ts';
import { type Fields, firstOf, type InboundRecord, idOfPlace, tenantOf } from './record.ts';
import { instant, name } from './text.ts';

/** What every activity says, whatever it is. */
const activity = z.object({
  userId: name,
  timestamp: instant,
  activityType: activityTypeName.default(pageViewType),
  eventId: name.optional(),
});

/**
 * Activity of a user as other systems write it, in snake_case or camelCase. Item views are ignored. Our
 * clocks are not asked: how old it may be is decided where it is applied.
 */
export function decodeActivity(fields: Fields, record: InboundRecord): Decoded {
  const head = activity.safeParse({
    userId: firstOf(fields, 'user_id', 'userId'),
    timestamp: firstOf(fields, 'timestamp'),
    activityType: firstOf(fields, 'activity_type', 'activityType'),
    eventId: firstOf(fields, 'event_id', 'eventId'),
  });
  if (!head.success) return unreadable(describe(head.error));
  const { userId, timestamp, activityType, eventId } = head.data;
  const isItemView =
    firstOf(fields, 'collection') !== undefined && firstOf(fields, 'item_id', 'itemId') !== undefined;
  if (isItemView) return { kind: 'ignored', what: 'item view' };

  const tenantId = tenantOf(record, userId);
  const event = (family: Pick<Event, 'type' | 'schemaVersion'>, data: Event['data']): Decoded => ({
    kind: 'event',
    event: {
      id: eventId ?? idOfPlace(record),
      source: record.topic,
      type: family.type,
      tenantId,
      userId,
      occurredAt: timestamp,
      data,
      schemaVersion: family.schemaVersion,
    } as Event,
  });
  if (activityType !== pageViewType) return event(activityRecorded, { activityType });
  const data = pageViewed.data.safeParse({
    name: firstOf(fields, 'name', 'page'),
    path: firstOf(fields, 'path'),
    subjectId: firstOf(fields, 'subject_id', 'subjectId'),
  });
  if (!data.success) return unreadable(describe(data.error), tenantId);
  return event(pageViewed, data.data);
}

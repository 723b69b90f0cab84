import { v7 as uuidV7 } from 'uuid';
import type { ActivityRecorded } from '../events/activity.ts';
import { encode } from '../events/codec.ts';
import { type Event, keyOf, topicOf } from '../events/event.ts';
import type { ItemViewed } from '../events/item-view.ts';
import type { NotificationSent } from '../events/notification.ts';
import type { PageViewed } from '../events/page-view.ts';
import type { Clock } from '../ports/clock.ts';
import type { LogRecord } from '../ports/event-log.ts';

/** When tests happen, unless they say otherwise. */
export const testNow = new Date('2026-11-20T09:00:00.000Z');

const common = () => ({
  id: uuidV7(),
  source: 'test',
  tenantId: 'default',
  userId: 'alice',
  occurredAt: testNow,
  schemaVersion: 1,
});

/** A page view of alice, with what is given instead. */
export function pageViewed(fields: Partial<PageViewed> = {}): PageViewed {
  return { ...common(), type: 'pageViewed', data: { name: 'Pricing' }, ...fields };
}

/** A view of an item by alice, with what is given instead. */
export function itemViewed(fields: Partial<ItemViewed> = {}): ItemViewed {
  return { ...common(), type: 'itemViewed', data: { collection: 'news', itemIds: ['a'] }, ...fields };
}

/** A click of alice's, with what is given instead. */
export function activityRecorded(fields: Partial<ActivityRecorded> = {}): ActivityRecorded {
  return { ...common(), type: 'activityRecorded', data: { activityType: 'click' }, ...fields };
}

/** A notification to alice, with what is given instead. */
export function notificationSent(fields: Partial<NotificationSent> = {}): NotificationSent {
  const data = { category: 'general', severity: 'NORMAL', title: 'Hello' } as const;
  return { ...common(), type: 'notificationSent', data, ...fields };
}

/** The events as a consumer gets them, at offsets from `firstOffset` on. */
export function recordsOf(events: readonly Event[], firstOffset = 1): readonly LogRecord[] {
  return events.map((event, index) => ({
    ...rawRecord(encode(event), firstOffset + index),
    topic: topicOf(event),
    key: keyOf(event),
  }));
}

/** A record that holds any bytes. */
export function rawRecord(value: string | Uint8Array | null, offset: number): LogRecord {
  return {
    topic: 'incoming.user_activity',
    partition: 0,
    offset: BigInt(offset),
    key: 'default/alice',
    value: typeof value === 'string' ? Buffer.from(value) : value,
    headers: {},
    appendedAt: testNow,
  };
}

/** A clock that stands still until it is set. */
export function createTestClock(start: Date = testNow): Clock & { set(now: Date): void } {
  let now = start;
  return {
    now: () => now,
    set(next) {
      now = next;
    },
  };
}

import { v7 as uuidV7 } from 'uuid';
import type { ActivityRecorded } from '../events/activity.ts';
import { encode } from '../events/codec.ts';
import { type Event, keyOf, topicOf } from '../events/event.ts';
import type { ItemViewed } from '../events/item-view.ts';
import type { NotificationSent } from '../events/notification.ts';
import type { PageViewed } from '../events/page-view.ts';
import type { Clock } from '../ports/clock.ts';
import type { LogRecord } from '../ports/event-log.ts';

/** The default current time in tests. */
export const testNow = new Date('2026-11-20T09:00:00.000Z');

const common = () => ({
  id: uuidV7(),
  source: 'test',
  tenantId: 'default',
  userId: 'alice',
  occurredAt: testNow,
  schemaVersion: 1,
});

/** Returns a page view by alice. `fields` replace the defaults. */
export function pageViewed(fields: Partial<PageViewed> = {}): PageViewed {
  return { ...common(), type: 'pageViewed', data: { name: 'Pricing' }, ...fields };
}

/** Returns a view of an item by alice. `fields` replace the defaults. */
export function itemViewed(fields: Partial<ItemViewed> = {}): ItemViewed {
  return { ...common(), type: 'itemViewed', data: { collection: 'news', itemIds: ['a'] }, ...fields };
}

/** Returns a click by alice. `fields` replace the defaults. */
export function activityRecorded(fields: Partial<ActivityRecorded> = {}): ActivityRecorded {
  return { ...common(), type: 'activityRecorded', data: { activityType: 'click' }, ...fields };
}

/** Returns a notification to alice. `fields` replace the defaults. */
export function notificationSent(fields: Partial<NotificationSent> = {}): NotificationSent {
  const data = { category: 'general', severity: 'NORMAL', title: 'Hello' } as const;
  return { ...common(), type: 'notificationSent', data, ...fields };
}

/** Returns the events as the records that a consumer gets, with offsets from `firstOffset` on. */
export function recordsOf(events: readonly Event[], firstOffset = 1): readonly LogRecord[] {
  return events.map((event, index) => ({
    ...rawRecord(encode(event), firstOffset + index),
    topic: topicOf(event),
    key: keyOf(event),
  }));
}

/** Returns a record that holds the given bytes. */
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

/** Returns a clock that moves only when `set` is called. */
export function createTestClock(start: Date = testNow): Clock & { set(now: Date): void } {
  let now = start;
  return {
    now: () => now,
    set(next) {
      now = next;
    },
  };
}

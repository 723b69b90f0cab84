import { type ActivityRecorded, activityRecorded } from './activity.ts';
import { type ItemViewed, itemViewed } from './item-view.ts';
import { type LimitEvent, limitFamilies } from './limit.ts';
import { type NotificationSent, notificationSent } from './notification.ts';
import { type PageViewed, pageViewed } from './page-view.ts';

/** Every kind of event that a worker reads. A new kind is added here and in `flow/apply/stages.ts`. */
export const families = [
  pageViewed,
  itemViewed,
  activityRecorded,
  notificationSent,
  ...limitFamilies,
] as const;

export type Event = PageViewed | ItemViewed | ActivityRecorded | NotificationSent | LimitEvent;

type Family = (typeof families)[number];

/** Maps each event type to its family. */
export const familyByType: ReadonlyMap<string, Family> = new Map(
  families.map((family) => [family.type, family]),
);

/** Returns the topic of an event. */
export function topicOf(event: Event): string {
  return (familyByType.get(event.type) as Family).topic;
}

/**
 * Returns the key of the record of an event. Events with the same key are applied in the order in which they
 * were appended.
 */
export function keyOf(event: Event): string {
  return `${event.tenantId}/${event.userId}`;
}

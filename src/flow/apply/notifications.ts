import { type Notification, undelivered } from '../../domain/notification.ts';
import type { NotificationSent } from '../../events/notification.ts';
import { rowIdOf } from './row-id.ts';
import type { Stage } from './stage.ts';

/**
 * The stage that delivers notifications to the inboxes of users who exist. A notification waits if its user
 * does not exist, or if earlier notifications of this user wait.
 */
export const notificationStage: Stage<NotificationSent> = {
  types: ['notificationSent'],
  select(records) {
    const events = records.map(({ event }) => event);
    return {
      recipients: events,
      groups: events.flatMap((event) => groupOf(event) ?? []),
      isPublished: true,
      apply: (event, inboxes) =>
        !inboxes.isAwaited(event) && inboxes.deliver(draftOf(event), { isNew: true }) ? 'applied' : 'waits',
    };
  },
};

/** Returns the group that the notification of an event may join. Undefined if it has no group. */
export const groupOf = ({ tenantId, userId, data: { groupKey } }: NotificationSent) =>
  groupKey === undefined ? undefined : { tenantId, userId, groupKey };

/** Returns the notification of an event, before its delivery. */
export function draftOf(event: NotificationSent): Notification {
  const { tenantId, userId, occurredAt, data } = event;
  return undelivered({
    tenantId,
    userId,
    id: rowIdOf(event),
    category: data.category,
    severity: data.severity,
    title: data.title,
    body: data.body ?? null,
    data: data.data ?? null,
    actionUrl: data.actionUrl ?? null,
    subjectId: data.subjectId ?? null,
    groupKey: data.groupKey ?? null,
    expiresAt: data.expiresAt ?? null,
    createdAt: occurredAt,
    scheduledFor: data.scheduledFor ?? null,
  });
}

import type { Arrival } from '../../domain/inbox-batch.ts';
import { userKeyOf } from '../../domain/user.ts';
import type { NotificationCreated } from '../../events/notification-created.ts';
import { notificationCreatedTopic } from '../../events/topic.ts';
import type { OutgoingRecord } from '../../ports/event-log.ts';

/**
 * Makes the records that announce arrived notifications to other systems. There is one record per
 * notification, in the order of arrival.
 */
export function announcementsOf(arrivals: readonly Arrival[], now: Date): readonly OutgoingRecord[] {
  return arrivals.map((arrival) => ({
    topic: notificationCreatedTopic,
    key: userKeyOf(arrival.user),
    value: Buffer.from(JSON.stringify(announcementOf(arrival, now))),
  }));
}

function announcementOf({ id, user, inbox, notification }: Arrival, now: Date): NotificationCreated {
  const { tenantId, userId, timeZone, canReceiveNotifications: enabled, disabledCategories } = user;
  const { unseen, unread, version } = inbox;
  return {
    id,
    source: 'unseen',
    type: 'notificationCreated',
    tenantId,
    userId,
    occurredAt: now,
    data: {
      notification: {
        id: notification.id,
        category: notification.category,
        severity: notification.severity,
        title: notification.title,
        body: notification.body,
        data: notification.data,
        actionUrl: notification.actionUrl,
        subjectId: notification.subjectId,
        groupKey: notification.groupKey,
        groupCount: notification.groupCount,
        createdAt: notification.createdAt,
        deliveredAt: notification.deliveredAt,
        expiresAt: notification.expiresAt,
      },
      user: { id: userId, timeZone, preferences: { enabled, disabledCategories } },
      badge: { unseen, unread, version },
    },
    schemaVersion: 1,
  };
}

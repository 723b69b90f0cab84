import type { Severity } from '../events/notification.ts';
import type { UserKey } from './user.ts';

export type { Severity };

/**
 * SCHEDULED: the delivery time is in the future. DELIVERED: in the inbox. SUPPRESSED: not shown, because the
 * user could not receive it. CANCELED: canceled before delivery. EXPIRED: `expiresAt` has passed, before or
 * after delivery.
 */
export const notificationStatuses = ['SCHEDULED', 'DELIVERED', 'SUPPRESSED', 'CANCELED', 'EXPIRED'] as const;
export type NotificationStatus = (typeof notificationStatuses)[number];

/** The fields of a notification that its sender chooses. */
export interface NotificationContent {
  readonly category: string;
  readonly severity: Severity;
  readonly title: string;
  readonly body: string | null;
  readonly data: Readonly<Record<string, unknown>> | null;
  readonly actionUrl: string | null;
  readonly subjectId: string | null;
  readonly groupKey: string | null;
  readonly expiresAt: Date | null;
}

/**
 * A DELIVERED notification is unread until it is read, and unseen until it is seen. An archived or snoozed
 * notification is neither unread nor unseen. Reading or archiving a notification also makes it seen.
 */
export interface Notification extends UserKey, NotificationContent {
  /** uuid */
  readonly id: string;
  /**
   * The number of the notification in the inbox, in the order of arrival. A notification that arrives again
   * gets a new number. Null if it has never arrived.
   */
  readonly seq: bigint | null;
  readonly status: NotificationStatus;
  readonly createdAt: Date;
  readonly scheduledFor: Date | null;
  readonly deliveredAt: Date | null;
  /** The reason for SUPPRESSED. Null for any other status. */
  readonly suppressedReason: string | null;
  /**
   * The time at which the user first opened the inbox at or above this notification, or at which it was
   * marked as seen, whichever came first.
   */
  readonly seenAt: Date | null;
  readonly readAt: Date | null;
  readonly archivedAt: Date | null;
  readonly snoozedUntil: Date | null;
  /** The number of notifications in this row. Greater than 1 if other notifications have joined the group. */
  readonly groupCount: number;
}

/**
 * Creates a notification before its delivery, with the fields of its sender. The fields are listed, because a
 * spread of so many fields takes several times the memory for every sent notification.
 */
export function undelivered(
  sent: UserKey & NotificationContent & Pick<Notification, 'id' | 'createdAt' | 'scheduledFor'>,
): Notification {
  return {
    tenantId: sent.tenantId,
    userId: sent.userId,
    id: sent.id,
    category: sent.category,
    severity: sent.severity,
    title: sent.title,
    body: sent.body,
    data: sent.data,
    actionUrl: sent.actionUrl,
    subjectId: sent.subjectId,
    groupKey: sent.groupKey,
    expiresAt: sent.expiresAt,
    createdAt: sent.createdAt,
    scheduledFor: sent.scheduledFor,
    seq: null,
    status: 'SCHEDULED',
    deliveredAt: null,
    suppressedReason: null,
    seenAt: null,
    readAt: null,
    archivedAt: null,
    snoozedUntil: null,
    groupCount: 1,
  };
}

/** The actions that a user can apply to arrived notifications. */
export const notificationActions = ['SEEN', 'READ', 'UNREAD', 'ARCHIVE', 'UNARCHIVE', 'UNSNOOZE'] as const;
export type NotificationAction = (typeof notificationActions)[number];

/** Selects notifications of an inbox. An absent field does not restrict. */
export interface NotificationFilter {
  readonly seen?: boolean;
  readonly read?: boolean;
  readonly archived?: boolean;
  readonly snoozed?: boolean;
  readonly categories?: readonly string[];
  readonly subjectId?: string;
  readonly createdFrom?: Date;
  readonly createdTo?: Date;
}

/** Returns the next time at which the notification changes without an action. Null if there is none. */
export function dueAtOf({ status, scheduledFor, snoozedUntil, expiresAt }: Notification): Date | null {
  if (status === 'SCHEDULED') return scheduledFor;
  if (status !== 'DELIVERED') return null;
  if (snoozedUntil && expiresAt) return snoozedUntil < expiresAt ? snoozedUntil : expiresAt;
  return snoozedUntil ?? expiresAt;
}

/** Whether the notification counts as unread. */
export function isUnread({ status, readAt, archivedAt, snoozedUntil }: Notification): boolean {
  return status === 'DELIVERED' && readAt === null && archivedAt === null && snoozedUntil === null;
}

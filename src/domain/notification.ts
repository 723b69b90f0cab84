import type { Severity } from '../events/notification.ts';
import type { UserKey } from './user.ts';

export type { Severity };

/**
 * SCHEDULED: not due yet. DELIVERED: in the inbox. SUPPRESSED: not shown, because the user could not receive it. CANCELED: canceled
 * before delivery. EXPIRED: `expiresAt` has passed, before or after delivery.
 */
export const notificationStatuses = ['SCHEDULED', 'DELIVERED', 'SUPPRESSED', 'CANCELED', 'EXPIRED'] as const;
export type NotificationStatus = (typeof notificationStatuses)[number];

/** The fields that the sender chooses. */
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
 * A DELIVERED notification is unread until it is read, and unseen until it is seen. An archived or snoozed notification counts
 * as neither. Reading and archiving imply seeing.
 */
export interface Notification extends UserKey, NotificationContent {
  /** uuid */
  readonly id: string;
  /** Place in the user's inbox, in order of arrival. It gets a new place if it arrives again. Null if it never arrived. */
  readonly seq: bigint | null;
  readonly status: NotificationStatus;
  readonly createdAt: Date;
  readonly scheduledFor: Date | null;
  readonly deliveredAt: Date | null;
  /** The reason for SUPPRESSED. Null for any other status. */
  readonly suppressedReason: string | null;
  /** The first opening of the inbox that covered it, or the moment it was marked as seen, whichever came first. */
  readonly seenAt: Date | null;
  readonly readAt: Date | null;
  readonly archivedAt: Date | null;
  readonly snoozedUntil: Date | null;
  /** How many notifications joined in this row, at least 1. */
  readonly groupCount: number;
}

/**
 * A notification before its delivery, with the fields of its sender. The fields are written out, because a spread of so many
 * fields takes several times the memory for every sent notification.
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

/** The actions of a user on notifications that have arrived. */
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

/** The next moment at which the notification changes by itself. Null if there is none. */
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

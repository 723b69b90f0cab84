import type { Severity } from '../events/notification.ts';
import type { UserKey } from './user.ts';

export type { Severity };

/**
 * SCHEDULED: still to come. DELIVERED: in the inbox. SUPPRESSED: kept for the record, the user could not receive it.
 * CANCELED: taken back before it came. EXPIRED: its time is over, whether it had come or not.
 */
export const notificationStatuses = ['SCHEDULED', 'DELIVERED', 'SUPPRESSED', 'CANCELED', 'EXPIRED'] as const;
export type NotificationStatus = (typeof notificationStatuses)[number];

/** What the sender says. */
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
 * A DELIVERED notification counts as unread until it is read, and as unseen until it is seen; while it is archived or
 * snoozed it counts as neither. Reading and archiving imply seeing.
 */
export interface Notification extends UserKey, NotificationContent {
  /** uuid */
  readonly id: string;
  /** Place in the user's inbox, in order of arrival, given anew when it arrives again; null when it never arrived there. */
  readonly seq: bigint | null;
  readonly status: NotificationStatus;
  readonly createdAt: Date;
  readonly scheduledFor: Date | null;
  readonly deliveredAt: Date | null;
  /** Why it is SUPPRESSED; null otherwise. */
  readonly suppressedReason: string | null;
  /** The first opening that covered it, or when it was seen on its own, whichever came first. */
  readonly seenAt: Date | null;
  readonly readAt: Date | null;
  readonly archivedAt: Date | null;
  readonly snoozedUntil: Date | null;
  /** More than 1 when others joined it. */
  readonly groupCount: number;
}

/**
 * A notification that did not come yet, and of which nothing is known but what its sender says. Written out: spreads of this
 * many fields cost several times the memory, for every notification that is sent.
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

/** What a user does with notifications that have arrived. */
export const notificationActions = ['SEEN', 'READ', 'UNREAD', 'ARCHIVE', 'UNARCHIVE', 'UNSNOOZE'] as const;
export type NotificationAction = (typeof notificationActions)[number];

/** Which notifications of an inbox; what is absent is not asked for. */
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

/** The next moment at which time changes it; null when it never does. */
export function dueAtOf({ status, scheduledFor, snoozedUntil, expiresAt }: Notification): Date | null {
  if (status === 'SCHEDULED') return scheduledFor;
  if (status !== 'DELIVERED') return null;
  if (snoozedUntil && expiresAt) return snoozedUntil < expiresAt ? snoozedUntil : expiresAt;
  return snoozedUntil ?? expiresAt;
}

/** Whether it counts as unread. */
export function isUnread({ status, readAt, archivedAt, snoozedUntil }: Notification): boolean {
  return status === 'DELIVERED' && readAt === null && archivedAt === null && snoozedUntil === null;
}

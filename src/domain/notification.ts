import type { NotificationSent, Severity } from '../events/notification.ts';
import type { UserKey } from './user.ts';

export type { Severity };

/** DELIVERED: in the inbox. SUPPRESSED: kept for the record, the user could not receive it. */
export const notificationStatuses = ['DELIVERED', 'SUPPRESSED'] as const;
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
}

export interface Notification extends UserKey, NotificationContent {
  /** uuid */
  readonly id: string;
  /** Place in the user's inbox, dense and in order of arrival; null when it never arrived there. */
  readonly seq: bigint | null;
  readonly status: NotificationStatus;
  readonly createdAt: Date;
  readonly deliveredAt: Date | null;
  /** Why it is SUPPRESSED; null otherwise. */
  readonly suppressedReason: string | null;
  /** The first opening that covered it. */
  readonly seenAt: Date | null;
}

/** The content of an event, absent fields as null. */
export function contentOf({ data }: NotificationSent): NotificationContent {
  return {
    category: data.category,
    severity: data.severity,
    title: data.title,
    body: data.body ?? null,
    data: data.data ?? null,
    actionUrl: data.actionUrl ?? null,
    subjectId: data.subjectId ?? null,
  };
}

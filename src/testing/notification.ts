import { randomUUID } from 'node:crypto';
import type { Notification } from '../domain/notification.ts';
import type { UserKey } from '../domain/user.ts';

/** A notification that is not delivered yet. */
export const draft = (
  { tenantId, userId }: UserKey,
  { createdAt, ...fields }: Partial<Notification> & Pick<Notification, 'createdAt'>,
): Notification => ({
  tenantId,
  userId,
  id: randomUUID(),
  seq: null,
  status: 'SCHEDULED',
  category: 'general',
  severity: 'NORMAL',
  title: 'Hello',
  body: null,
  data: null,
  actionUrl: null,
  subjectId: null,
  groupKey: null,
  groupCount: 1,
  suppressedReason: null,
  createdAt,
  scheduledFor: null,
  deliveredAt: null,
  seenAt: null,
  readAt: null,
  archivedAt: null,
  snoozedUntil: null,
  expiresAt: null,
  ...fields,
});

import { randomUUID } from 'node:crypto';
import { type Notification, undelivered } from '../domain/notification.ts';
import type { UserKey } from '../domain/user.ts';

/** Returns a notification that is not delivered yet. */
export const draft = (
  { tenantId, userId }: UserKey,
  { createdAt, ...fields }: Partial<Notification> & Pick<Notification, 'createdAt'>,
): Notification => ({
  ...undelivered({
    tenantId,
    userId,
    id: randomUUID(),
    category: 'general',
    severity: 'NORMAL',
    title: 'Hello',
    body: null,
    data: null,
    actionUrl: null,
    subjectId: null,
    groupKey: null,
    expiresAt: null,
    createdAt,
    scheduledFor: null,
  }),
  ...fields,
});

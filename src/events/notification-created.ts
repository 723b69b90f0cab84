import { z } from 'zod';
import { severities } from './notification.ts';

const notification = z.object({
  id: z
    .string()
    .describe(
      'The id of the notification in the inbox. If the notification joined a group, the id of the group.',
    ),
  category: z.string(),
  severity: z.enum(severities),
  title: z.string(),
  body: z.string().nullable(),
  data: z.record(z.string(), z.unknown()).readonly().nullable(),
  actionUrl: z.string().nullable(),
  subjectId: z.string().nullable(),
  groupKey: z.string().nullable(),
  groupCount: z
    .int()
    .describe('If more than 1, the notification replaces the one that was announced before with this id.'),
  createdAt: z.date(),
  deliveredAt: z.date().nullable(),
  expiresAt: z.date().nullable().describe('Do not deliver the notification from this time on.'),
});

const user = z.object({
  id: z.string(),
  timeZone: z.string().describe('An IANA name.'),
  preferences: z.object({
    enabled: z.boolean().describe('If false, the user has opted out, and the notification is critical.'),
    disabledCategories: z.array(z.string()).readonly(),
  }),
});

const badge = z
  .object({ unseen: z.int(), unread: z.int(), version: z.int() })
  .describe('The badge after the delivery. Of two badges, the one with the higher version is newer.');

/** An event for a delivered notification. Services that send e-mail, SMS or push messages read this event. */
export const notificationCreated = z.object({
  id: z.string().describe('The id that the notification was sent with. A repeat has the same id.'),
  source: z.literal('unseen'),
  type: z.literal('notificationCreated'),
  tenantId: z.string(),
  userId: z.string(),
  occurredAt: z.date(),
  data: z.object({ notification, user: user.describe('The user at the time of the delivery.'), badge }),
  schemaVersion: z.literal(1),
});

export type NotificationCreated = z.output<typeof notificationCreated>;

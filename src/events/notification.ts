import { z } from 'zod';
import type { EventFamily, EventOf } from './envelope.ts';
import { jsonObject, moment, name, text } from './text.ts';
import { topics } from './topic.ts';

export const severities = ['LOW', 'NORMAL', 'HIGH', 'CRITICAL'] as const;
export type Severity = (typeof severities)[number];

/** The name of a category. */
export const categoryName = z
  .string()
  .regex(/^[A-Za-z0-9_.:-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ . : -');

/** An event for a notification that was sent to a user. The id of the event is the id of the notification. */
export const notificationSent = {
  type: 'notificationSent',
  topic: topics.notificationCommand,
  schemaVersion: 1,
  data: z.object({
    category: categoryName.default('general'),
    severity: z.enum(severities).default('NORMAL'),
    title: text(200),
    body: text(4000, 0).optional(),
    data: jsonObject.optional(),
    /** The target of a click: an http(s) URL, or a path on the same site. A script is not allowed. */
    actionUrl: text(2000)
      // Browsers read \ as / and skip tabs and line breaks, so /\host and /<tab>/host lead to another site,
      // like //host.
      .regex(/^(https?:\/\/|\/(?!\/))[^\p{Cc}\\]*$/iu, 'must be an http(s) URL or start with a single /')
      .meta({ pattern: '^([Hh][Tt][Tt][Pp][Ss]?://|/(?!/))[^\\u0000-\\u001f\\u007f-\\u009f\\\\]*$' })
      .optional(),
    subjectId: name.optional(),
    /** The notification joins the unseen notification of the same user and group, if there is one. */
    groupKey: name.optional(),
    /**
     * The time at which the notification expires. An expired notification does not count and is not listed.
     */
    expiresAt: moment.optional(),
    /** The time of delivery. If absent or past, the notification is delivered at once. */
    scheduledFor: moment.optional(),
  }),
} as const satisfies EventFamily<string, z.ZodType>;

export type NotificationSent = EventOf<typeof notificationSent>;

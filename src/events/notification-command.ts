import { z } from 'zod';
import { type Decoded, describe, unreadable } from './decoded.ts';
import { notificationSent } from './notification.ts';
import { type Fields, firstOf, type InboundRecord, idOfPlace, tenantOf } from './record.ts';
import { name } from './text.ts';

export const commandHead = z.object({ userId: name, notificationId: name.optional() });

/**
 * Decodes a command of another system to send a notification. The command has no time, so the event gets the
 * time at which its record was appended. All fields are passed to the schema of `notificationSent`. So a new
 * optional field in this schema is read from commands too.
 */
export function decodeNotificationCommand(fields: Fields, record: InboundRecord): Decoded {
  const said = { userId: firstOf(fields, 'userId'), notificationId: firstOf(fields, 'notificationId') };
  const head = commandHead.safeParse(said);
  if (!head.success) return unreadable(describe(head.error, said));
  const { userId, notificationId } = head.data;
  const tenantId = tenantOf(record, userId);
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
  const scheduledFor = firstOf(fields, 'scheduledFor', 'scheduledNotificationUtcDate');
  const content = {
    ...contentOf(firstOf(fields, 'content'), given),
    ...given,
    ...(scheduledFor !== undefined && { scheduledFor: inUtc(scheduledFor) }),
  };
  const data = notificationSent.data.safeParse(content);
  if (!data.success) return unreadable(describe(data.error, content), tenantId);
  return {
    kind: 'event',
    event: {
      id: notificationId ?? idOfPlace(record),
      source: record.topic,
      type: notificationSent.type,
      tenantId,
      userId,
      occurredAt: record.appendedAt,
      data: data.data,
      schemaVersion: notificationSent.schemaVersion,
    },
  };
}

/**
 * Reads title, body and data from `content`, which may be any JSON. If `content` is an object, its `title`
 * and `body` are used. If `content` is text and the command has no title, the first line is the title. An
 * object also becomes the data.
 */
function contentOf(content: unknown, given: Fields): Fields {
  if (content === undefined) return {};
  const read = typeof content === 'string' ? parsedOr(content.trim()) : content;
  if (typeof read === 'string') {
    if (given['title'] !== undefined) return { body: read };
    const title = titleOf(read);
    return title === read ? { title } : { title: title || fallbackTitle, body: read };
  }
  const isObject = typeof read === 'object' && read !== null && !Array.isArray(read);
  const title = isObject ? firstOf(read as Fields, 'title') : undefined;
  const body = isObject ? firstOf(read as Fields, 'body') : undefined;
  return {
    title: typeof title === 'string' ? titleOf(title) || fallbackTitle : fallbackTitle,
    ...(typeof body === 'string' && { body }),
    data: isObject ? read : { content: read },
  };
}

const fallbackTitle = 'Notification';

/** The first line, cut to 200 characters without splitting a surrogate pair. */
function titleOf(text: string): string {
  const line = text.trim().split('\n', 1)[0] ?? '';
  return line
    .slice(0, 200)
    .replace(/[\ud800-\udbff]$/, '')
    .trim();
}

/** The parsed value if the text is a JSON object or array, otherwise the text. */
function parsedOr(text: string): unknown {
  if (!/^[{[]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Adds the zone `Z` to a date-time that has none. The name of the field says that the time is in UTC. */
function inUtc(value: unknown): unknown {
  return typeof value === 'string' && /T[\d:.]+$/.test(value) ? `${value}Z` : value;
}

import {
  Ctx,
  Field,
  FieldResolver,
  ID,
  Int,
  ObjectType,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import { validate as isUuid } from 'uuid';
import type { Notification, NotificationFilter } from '../domain/notification.ts';
import type { UserKey } from '../domain/user.ts';
import type { NotificationReads } from '../flow/read/notifications.ts';
import type { Read } from '../flow/read/read.ts';
import { BadgeType, badgeNode } from './badge.ts';
import { createConnection, decodeCursor, encodeCursor, type PageRequest, pageOf } from './connection.ts';
import { type Context, maySee } from './engine/context.ts';
import { nodeId } from './node-id.ts';
import { Node } from './node-interface.ts';
import { isSeq } from './notification-cursor.ts';
import { DateTime, JSONObject } from './scalars.ts';

enum NotificationStatus {
  SCHEDULED = 'SCHEDULED',
  DELIVERED = 'DELIVERED',
  SUPPRESSED = 'SUPPRESSED',
  CANCELED = 'CANCELED',
  EXPIRED = 'EXPIRED',
}
registerEnumType(NotificationStatus, {
  name: 'NotificationStatus',
  description: 'The state of a notification.',
  valuesConfig: {
    SCHEDULED: { description: 'It will be delivered at `scheduledFor`.' },
    DELIVERED: { description: 'It is in the inbox.' },
    SUPPRESSED: {
      description: 'The user could not receive it. It never counts, even if the user opts in later.',
    },
    CANCELED: { description: 'It was canceled before its delivery.' },
    EXPIRED: { description: 'Its `expiresAt` has passed, so it neither counts nor appears in lists.' },
  },
});

export enum Severity {
  LOW = 'LOW',
  NORMAL = 'NORMAL',
  HIGH = 'HIGH',
  CRITICAL = 'CRITICAL',
}
registerEnumType(Severity, {
  name: 'Severity',
  description: 'The importance for the user. The client decides how to show it.',
  valuesConfig: {
    LOW: { description: 'Good to know.' },
    NORMAL: { description: 'The usual.' },
    HIGH: { description: 'Should be read soon.' },
    CRITICAL: { description: 'Must not be missed.' },
  },
});

@ObjectType('Notification', {
  implements: Node,
  simpleResolvers: true,
  description: 'A notification of a user.',
})
export class NotificationType implements Node {
  id!: string;

  @Field(() => String, { description: 'The category that the sender chose. Defaults to `general`.' })
  category!: string;

  @Field(() => Severity, { description: 'The importance for the user.' })
  severity!: Severity;

  @Field(() => String, {
    description: '1 to 200 characters of plain text. Escape it before you show it as HTML.',
  })
  title!: string;

  @Field(() => String, { nullable: true, description: 'At most 4000 characters of plain text.' })
  body!: string | null;

  @Field(() => JSONObject, { nullable: true, description: 'Data that the sender attached.' })
  data!: Readonly<Record<string, unknown>> | null;

  @Field(() => String, { nullable: true, description: 'The target of a click: an http(s) URL or a path.' })
  actionUrl!: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'The page or item that the notification is about. A visit to the subject marks its newest 1000 notifications as read.',
  })
  subjectId!: string | null;

  @Field(() => NotificationStatus, {
    description: 'The status. DELIVERED for every notification in an inbox.',
  })
  status!: NotificationStatus;

  @Field(() => DateTime, { description: 'When it was sent.' })
  createdAt!: Date;

  @Field(() => DateTime, {
    nullable: true,
    description: 'The scheduled delivery. Null means that it was sent at once.',
  })
  scheduledFor!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When it reached the inbox, or reached it again.',
  })
  deliveredAt!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When it was marked as seen, or the inbox was opened. Null while unseen.',
  })
  seenAt!: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'When it was read. Null while unread.' })
  readAt!: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'When it was archived. Null if it is not archived.' })
  archivedAt!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'The end of the snooze, when it arrives again and counts again. Null if it is not snoozed.',
  })
  snoozedUntil!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'From this time on it neither counts nor appears in lists. Null means never.',
  })
  expiresAt!: Date | null;

  @Field(() => Int, {
    description:
      'The number of notifications in this group. Above 1, several notifications with one `groupKey` arrived while unseen, and this is the newest.',
  })
  groupCount!: number;
}

export const NotificationConnection = createConnection('Notification', {
  node: NotificationType,
  description: 'A page of an inbox, newest first, or of scheduled notifications, soonest first.',
  edge: {
    description: 'A notification with its cursor.',
    cursor:
      'The cursor of this entry, for `after`. In an inbox it is also valid for `upTo` of `openInbox` and `markNotifications`. A cursor of a scheduled notification is refused there.',
  },
  totalCount: 'The number of all entries that match the filter. Counted only if selected.',
  badge: { type: BadgeType, description: 'The badge of this inbox, read after the page.' },
});

export const notificationNode = (notification: Notification) => ({
  ...notification,
  __typename: 'Notification' as const,
  id: nodeId('Notification', notification.id),
});

/**
 * Whether the caller may see the notification. A user sees scheduled and delivered notifications only.
 * Services and admins also see suppressed ones, and ones that were canceled before their delivery.
 */
export function maySeeNotification(context: Context, { userId, seq, status }: Notification): boolean {
  return (
    maySee(context, userId) && (seq !== null || status === 'SCHEDULED' || context.caller.role !== 'user')
  );
}

const notificationCursor = (notification: Notification) =>
  encodeCursor('notifications', notification, [String(notification.seq)]);

interface ListDeps {
  readonly notificationReads: NotificationReads;
  readonly read: Read;
}

/** One page of an inbox. The count and the badge are read only if they are selected. */
export async function notificationPage(
  { notificationReads, read }: ListDeps,
  user: UserKey,
  page: PageRequest,
  filter: NotificationFilter,
) {
  const [seq] = page.after === undefined ? [] : decodeCursor(page.after, 'notifications', user, isSeq);
  const rows = await notificationReads.inbox(user, {
    ...filter,
    first: page.first,
    ...(seq !== undefined && { before: BigInt(seq) }),
  });
  return {
    ...pageOf(rows, page, { cursorOf: notificationCursor, nodeOf: notificationNode }),
    totalCount: () => notificationReads.count(user, filter),
    badge: async () => badgeNode(await read.currentBadge(user)),
  };
}

const scheduledCursor = (notification: Notification) =>
  encodeCursor('scheduledNotifications', notification, [
    String(notification.scheduledFor?.getTime()),
    notification.id,
  ]);

const isPlace = (place: readonly string[]) =>
  place.length === 2 && /^\d{1,15}$/.test(place[0] ?? '') && isUuid(place[1] ?? '');

/**
 * One page of the scheduled notifications of a user. The count and the badge are read only if they are
 * selected.
 */
export async function scheduledPage({ notificationReads, read }: ListDeps, user: UserKey, page: PageRequest) {
  const [at, id] =
    page.after === undefined ? [] : decodeCursor(page.after, 'scheduledNotifications', user, isPlace);
  const rows = await notificationReads.scheduled(user, {
    first: page.first,
    ...(id !== undefined && { after: { scheduledFor: new Date(Number(at)), id } }),
  });
  return {
    ...pageOf(rows, page, { cursorOf: scheduledCursor, nodeOf: notificationNode }),
    totalCount: () => notificationReads.countScheduled(user),
    badge: async () => badgeNode(await read.currentBadge(user)),
  };
}

@Resolver(() => NotificationType)
export class NotificationResolver {
  @FieldResolver(() => String, {
    nullable: true,
    description:
      'Why the user could not receive the notification. Only admins see the reason. Null for every other caller.',
  })
  suppressedReason(@Root() { suppressedReason }: Notification, @Ctx() { caller }: Context): string | null {
    // The events of a stream have no caller. They never contain a suppressed notification, so `caller` is not
    // read.
    return suppressedReason !== null && caller.role === 'admin' ? suppressedReason : null;
  }
}

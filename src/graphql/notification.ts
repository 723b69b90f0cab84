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
    SCHEDULED: { description: 'The notification will be delivered at `scheduledFor`.' },
    DELIVERED: { description: 'The notification is in the inbox.' },
    SUPPRESSED: {
      description:
        'The user could not receive the notification. A suppressed notification never counts, even if the user opts in later.',
    },
    CANCELED: { description: 'The notification was canceled before its delivery.' },
    EXPIRED: {
      description:
        'The `expiresAt` of the notification has passed. The notification neither counts nor appears in lists.',
    },
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
  description: 'The importance for the user. The client decides how to show the importance.',
  valuesConfig: {
    LOW: { description: 'The user may read the notification at any time.' },
    NORMAL: { description: 'The usual importance.' },
    HIGH: { description: 'The user should read the notification soon.' },
    CRITICAL: { description: 'The user must not miss the notification.' },
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
    description: 'The title, 1 to 200 characters of plain text. Escape the title before you show it as HTML.',
  })
  title!: string;

  @Field(() => String, { nullable: true, description: 'The text, at most 4000 characters of plain text.' })
  body!: string | null;

  @Field(() => JSONObject, { nullable: true, description: 'Data that the sender attached.' })
  data!: Readonly<Record<string, unknown>> | null;

  @Field(() => String, { nullable: true, description: 'The target of a click: an http(s) URL or a path.' })
  actionUrl!: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'The id of the page or item that the notification is about. A visit to this page or item marks the newest 1000 notifications about it as read.',
  })
  subjectId!: string | null;

  @Field(() => NotificationStatus, {
    description: 'The status. DELIVERED for every notification in an inbox.',
  })
  status!: NotificationStatus;

  @Field(() => DateTime, { description: 'When the notification was sent.' })
  createdAt!: Date;

  @Field(() => DateTime, {
    nullable: true,
    description: 'The time of the scheduled delivery. Null if the notification was sent at once.',
  })
  scheduledFor!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When the notification last arrived in the inbox.',
  })
  deliveredAt!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'When the notification was marked as seen, or when the user opened the inbox. Null while the notification is unseen.',
  })
  seenAt!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When the notification was read. Null while it is unread.',
  })
  readAt!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When the notification was archived. Null if it is not archived.',
  })
  archivedAt!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'The end of the snooze. The notification then arrives again and counts again. Null if the notification is not snoozed.',
  })
  snoozedUntil!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'From this time on, the notification neither counts nor appears in lists. Null if the notification never expires.',
  })
  expiresAt!: Date | null;

  @Field(() => Int, {
    description:
      'The number of notifications in this group. A number above 1 means that several notifications with the same `groupKey` arrived before the user saw them. This notification is then the newest of the group.',
  })
  groupCount!: number;
}

export const NotificationConnection = createConnection('Notification', {
  node: NotificationType,
  description: 'A page of an inbox, newest first, or of scheduled notifications, soonest first.',
  edge: {
    description: 'A notification with its cursor.',
    cursor:
      'The cursor of this entry, for `after`. The cursor of a notification in an inbox is also valid for `upTo` of `openInbox` and `markNotifications`. The cursor of a scheduled notification is not valid for `upTo`.',
  },
  totalCount: 'The number of all entries that match the filter. Counted only if selected.',
  badge: {
    type: BadgeType,
    description: 'The badge of this inbox. Unseen reads the badge after the notifications of the page.',
  },
});

export const notificationNode = (notification: Notification) => ({
  ...notification,
  __typename: 'Notification' as const,
  id: nodeId('Notification', notification.id),
});

/**
 * Whether the caller may see the notification. A user sees only scheduled and delivered notifications.
 * Services and admins also see suppressed notifications, and notifications that were canceled before their
 * delivery.
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
    // An event of a stream has no caller, and its notification is never suppressed. So the first condition
    // must be checked before `caller` is read.
    return suppressedReason !== null && caller.role === 'admin' ? suppressedReason : null;
  }
}

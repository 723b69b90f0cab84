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
  description: 'How far a notification came.',
  valuesConfig: {
    SCHEDULED: { description: 'It is still to come, at `scheduledFor`.' },
    DELIVERED: { description: 'It is in the inbox.' },
    SUPPRESSED: { description: 'The user could not receive it. It never counts, also not after opting in.' },
    CANCELED: { description: 'It was taken back before it came.' },
    EXPIRED: { description: 'Its `expiresAt` has passed: it neither counts nor is listed.' },
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
  description: 'How much it matters to the user; for the client to show.',
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
  description: 'Something a user was told.',
})
export class NotificationType implements Node {
  id!: string;

  @Field(() => String, { description: 'Chosen by the sender; `general` unless said otherwise.' })
  category!: string;

  @Field(() => Severity, { description: 'How much it matters.' })
  severity!: Severity;

  @Field(() => String, { description: '1 to 200 characters of plain text, to be escaped when shown.' })
  title!: string;

  @Field(() => String, { nullable: true, description: 'At most 4000 characters of plain text.' })
  body!: string | null;

  @Field(() => JSONObject, { nullable: true, description: 'Whatever the sender attached.' })
  data!: Readonly<Record<string, unknown>> | null;

  @Field(() => String, { nullable: true, description: 'Where a click leads: an http(s) URL or a path.' })
  actionUrl!: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'The page or item this is about: visiting it marks the notification read, of more than 1000 about it the newest.',
  })
  subjectId!: string | null;

  @Field(() => NotificationStatus, { description: 'DELIVERED for everything in an inbox.' })
  status!: NotificationStatus;

  @Field(() => DateTime, { description: 'When it was sent.' })
  createdAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When it was to come; null: at once.' })
  scheduledFor!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When it reached the inbox, the last time when it came again.',
  })
  deliveredAt!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When it was seen: on its own or by opening the inbox; null while unseen.',
  })
  seenAt!: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'When it was read; null while unread.' })
  readAt!: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'When it was archived; null when it is not.' })
  archivedAt!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'Put off until then: it arrives again and counts again; null when it is not.',
  })
  snoozedUntil!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'From then on it neither counts nor is listed; null: never.',
  })
  expiresAt!: Date | null;

  @Field(() => Int, {
    description: 'More than 1 when several arrived under one groupKey while unseen: this is the newest.',
  })
  groupCount!: number;
}

export const NotificationConnection = createConnection('Notification', {
  node: NotificationType,
  description: 'A page of an inbox, newest first, or of what is still to come, soonest first.',
  edge: {
    description: 'A notification and its place in the list.',
    cursor:
      'Its place: for `after` and, in an inbox, for `upTo` of `openInbox` and `markNotifications`. Of what is still to come it is refused there.',
  },
  totalCount: 'All entries that the filter names; counted only when asked for.',
  badge: { type: BadgeType, description: 'The badge over this inbox, read after the page.' },
});

export const notificationNode = (notification: Notification) => ({
  ...notification,
  __typename: 'Notification' as const,
  id: nodeId('Notification', notification.id),
});

/** One that never reached its user and never will is for those who run things. */
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

/** One page of a user's inbox. Counts and badge are read only when selected. */
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

/** One page of what is still to come to a user. Counts and badge are read only when selected. */
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
    description: 'Why the user could not receive it. For admins; null for everyone else.',
  })
  suppressedReason(@Root() { suppressedReason }: Notification, @Ctx() { caller }: Context): string | null {
    // In a stream there is no caller, and none that was suppressed.
    return suppressedReason !== null && caller.role === 'admin' ? suppressedReason : null;
  }
}

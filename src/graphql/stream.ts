import { Arg, createUnionType, Field, ID, ObjectType, Resolver, Root, Subscription } from 'type-graphql';
import type { Place, StreamEvent } from '../domain/stream.ts';
import type { UserKey } from '../domain/user.ts';
import type { Stream } from '../flow/watch/stream.ts';
import { BadgeType, badgeNode } from './badge.ts';
import { decodeCursor, encodeCursor } from './connection.ts';
import { type Context, targetUser } from './engine/context.ts';
import { NotificationAction } from './marking.ts';
import { nodeId } from './node-id.ts';
import { NotificationType, notificationNode } from './notification.ts';

const cursorDescription =
  'The position of the stream after this event. To continue a stream, pass the newest cursor as `after`.';
const badgeDescription = 'The badge after this event, or a newer state.';

@ObjectType({
  simpleResolvers: true,
  description:
    'A notification arrived. Either the notification was sent, or its scheduled time came, or its snooze ended, or another notification joined its group. If the list already has this `id`, the notification has arrived again. In that case, move the entry to the top and replace its content.',
})
class NotificationAdded {
  @Field(() => String, { description: cursorDescription })
  cursor!: string;

  @Field(() => NotificationType, {
    description:
      'The notification in its current state. The stream also sends the changes since its arrival as later events.',
  })
  notification!: NotificationType;

  @Field(() => BadgeType, { description: badgeDescription })
  badge!: BadgeType;
}

@ObjectType({
  simpleResolvers: true,
  description:
    'Notifications in the inbox changed. Either a caller marked the notifications, or the user opened the inbox (SEEN), visited the subject of the notifications (READ) or snoozed them (SNOOZE), or the notifications expired (EXPIRE). Apply the action to the notifications that the client shows, and ignore unknown ids.',
})
class NotificationsChanged {
  @Field(() => String, { description: cursorDescription })
  cursor!: string;

  @Field(() => [ID], {
    description: 'The ids of the notifications, 1 to 1000. These ids are valid for `node(id:)`.',
  })
  ids!: readonly string[];

  @Field(() => NotificationAction, {
    description:
      'The action. After ARCHIVE, SNOOZE and EXPIRE, remove the notifications from the list. After UNARCHIVE, put the notifications back at their old position, and read the notifications that the client has not stored. The stream sends a NotificationAdded for each notification before UNSNOOZE.',
  })
  action!: NotificationAction;

  @Field(() => BadgeType, { description: badgeDescription })
  badge!: BadgeType;
}

@ObjectType({
  simpleResolvers: true,
  description:
    'The stream cannot send the events before this position. Read the list again, then apply the events that follow. The subscription continues, unless the user was erased.',
})
class StreamReset {
  @Field(() => String, {
    description:
      'NO_CURSOR: `after` is absent. TOO_OLD: the first event after the cursor is more than 7 days old. TOO_MANY: more than 1 000 arrivals and changes follow the cursor, because the client was too slow or one change affected more than 1 000 notifications. UNKNOWN_CURSOR: the cursor is newer than the inbox. USER_ERASED: the user was erased. Later versions may add reasons.',
  })
  reason!: string;

  @Field(() => String, {
    description:
      'The position from which the stream continues. Use this position as `after` until the client receives a newer cursor.',
  })
  resumeFrom!: string;

  @Field(() => BadgeType, { description: 'The badge at this position, or a newer state.' })
  badge!: BadgeType;
}

const NotificationStreamEvent = createUnionType({
  name: 'NotificationStreamEvent',
  description: 'An event of an inbox.',
  types: () => [NotificationAdded, NotificationsChanged, StreamReset] as const,
  resolveType(event) {
    if ('notification' in event) return NotificationAdded;
    return 'ids' in event ? NotificationsChanged : StreamReset;
  },
});

const isPlace = (place: readonly string[]) =>
  place.length === 3 && place.every((part) => /^(0|[1-9]\d{0,14})$/.test(part));

const cursorOf = (user: UserKey, { firstVersion, lastSeq, changeSeq }: Place) =>
  encodeCursor('notificationStream', user, [firstVersion, lastSeq, changeSeq].map(String));

function placeIn(user: UserKey, cursor: string): Place {
  const [firstVersion, lastSeq, changeSeq] = decodeCursor(cursor, 'notificationStream', user, isPlace) as [
    string,
    string,
    string,
  ];
  return { firstVersion: Number(firstVersion), lastSeq: BigInt(lastSeq), changeSeq: BigInt(changeSeq) };
}

function streamEvent(event: StreamEvent) {
  const cursor = cursorOf(event.badge, event.place);
  const badge = badgeNode(event.badge);
  switch (event.kind) {
    case 'ADDED': {
      const notification = notificationNode(event.notification);
      return { cursor, notification, badge };
    }
    case 'CHANGED': {
      const ids = event.ids.map((id) => nodeId('Notification', id));
      return { cursor, ids, action: event.action, badge };
    }
    case 'RESET':
      return { reason: event.reason, resumeFrom: cursor, badge };
    default:
      return event satisfies never;
  }
}

@Resolver()
export class NotificationStreamResolver {
  constructor(private readonly deps: { readonly stream: Stream }) {}

  @Subscription(() => NotificationStreamEvent, {
    description:
      'Sends all events of an inbox, in order and without duplicates. First come the events after a cursor, then live events. To keep a list correct, subscribe, read the list at every StreamReset, and apply the events that follow. After a reconnect, subscribe with the newest cursor. An invalid cursor gives the error BAD_USER_INPUT.',
    subscribe: ({ args, context }: { args: { userId?: string; after?: string }; context: Context }) =>
      context.container.get(NotificationStreamResolver).follow(args, context),
  })
  notificationStream(
    @Root() event: StreamEvent,
    @Arg('userId', () => ID, {
      nullable: true,
      description:
        'The user to act for. Defaults to the caller. Acting for another user requires a service or admin token.',
    })
    _userId?: string,
    @Arg('after', () => String, {
      nullable: true,
      description:
        'The newest `cursor` or `resumeFrom` of an earlier subscription of this inbox. The value is valid for 7 days, and for at most 1 000 later arrivals and changes. If absent, the subscription begins with a StreamReset.',
    })
    _after?: string,
  ): typeof NotificationStreamEvent {
    return streamEvent(event) as typeof NotificationStreamEvent;
  }

  private follow({ userId, after }: { userId?: string | null; after?: string | null }, context: Context) {
    const user = targetUser(context, userId);
    return this.deps.stream.events(user, typeof after === 'string' ? placeIn(user, after) : undefined);
  }
}

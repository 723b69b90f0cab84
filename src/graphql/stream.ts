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
  'The place after this event. To continue from here, pass the newest cursor as `after`.';
const badgeDescription = 'The badge after this event, or a newer state.';

@ObjectType({
  simpleResolvers: true,
  description:
    'A notification arrived: it was sent, its scheduled time came, its snooze ended, or another notification joined its group. If the list already has the `id`, the notification has arrived again. Move it to the top and replace its content.',
})
class NotificationAdded {
  @Field(() => String, { description: cursorDescription })
  cursor!: string;

  @Field(() => NotificationType, {
    description: 'The current state of the notification. Changes since its arrival also follow as events.',
  })
  notification!: NotificationType;

  @Field(() => BadgeType, { description: badgeDescription })
  badge!: BadgeType;
}

@ObjectType({
  simpleResolvers: true,
  description:
    'Notifications that had arrived have changed: a caller marked them, the user opened the inbox (SEEN), visited their subject (READ), or snoozed them (SNOOZE), or they expired (EXPIRE). Apply the action to the notifications you show, and ignore unknown ids.',
})
class NotificationsChanged {
  @Field(() => String, { description: cursorDescription })
  cursor!: string;

  @Field(() => [ID], {
    description: 'The ids of the notifications, 1 to 1000. They are valid for `node(id:)`.',
  })
  ids!: readonly string[];

  @Field(() => NotificationAction, {
    description:
      'The action. After ARCHIVE, SNOOZE and EXPIRE the notifications leave the list. After UNARCHIVE they return to their old place, so read the notifications that you did not keep. UNSNOOZE follows the NotificationAdded of each notification.',
  })
  action!: NotificationAction;

  @Field(() => BadgeType, { description: badgeDescription })
  badge!: BadgeType;
}

@ObjectType({
  simpleResolvers: true,
  description:
    'The stream cannot replay the events up to this place. Read the list again, then apply the events that follow. The subscription continues, unless the user was erased.',
})
class StreamReset {
  @Field(() => String, {
    description:
      'NO_CURSOR: there was no `after`. TOO_OLD: the events after the cursor began more than 7 days ago. TOO_MANY: more than 1 000 arrivals and changes follow, because the client was too slow or one change affected more than 1 000 notifications. UNKNOWN_CURSOR: the inbox never had this place. USER_ERASED: the user was erased. Later versions may add reasons.',
  })
  reason!: string;

  @Field(() => String, {
    description:
      'The place from which the stream continues. Use it as `after` until there is a newer cursor.',
  })
  resumeFrom!: string;

  @Field(() => BadgeType, { description: 'The badge at this place, or a newer state.' })
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
      'The events of an inbox, in order, complete and without duplicates: first the events after a cursor, then live events. To keep a list correct, subscribe, read the list at a StreamReset, and apply the events that follow. After a reconnect, subscribe with the newest cursor. An invalid cursor is BAD_USER_INPUT.',
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
        'The newest `cursor` or `resumeFrom` of an earlier subscription of this inbox. It is valid for 7 days and 1 000 arrivals and changes. If absent, the subscription begins with a StreamReset.',
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

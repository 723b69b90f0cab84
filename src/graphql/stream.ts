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

const cursorDescription = 'The place behind this: pass the newest one as `after` to go on from here.';
const badgeDescription = 'As it was when this was read from the store, at or after what happened.';

@ObjectType({
  simpleResolvers: true,
  description:
    'A notification arrived: sent, its scheduled time come, its snooze over, or joined by another of its group. One that is listed already, by `id`, has arrived again: it moves to the top, with what it says now.',
})
class NotificationAdded {
  @Field(() => String, { description: cursorDescription })
  cursor!: string;

  @Field(() => NotificationType, {
    description: 'As it is now. What happened to it since it arrived follows, too.',
  })
  notification!: NotificationType;

  @Field(() => BadgeType, { description: badgeDescription })
  badge!: BadgeType;
}

@ObjectType({
  simpleResolvers: true,
  description:
    'Something happened to notifications that had arrived, whoever did it: they were marked, shown by opening the inbox (SEEN), their subject was visited (READ), put off (SNOOZE), or their time was over (EXPIRE). Do it to those you show; ids that you do not know are no error.',
})
class NotificationsChanged {
  @Field(() => String, { description: cursorDescription })
  cursor!: string;

  @Field(() => [ID], { description: 'Which, 1 to 1000; for `node(id:)`, too.' })
  ids!: readonly string[];

  @Field(() => NotificationAction, {
    description:
      'What. After ARCHIVE, SNOOZE and EXPIRE they are no longer listed. After UNARCHIVE they are, where they were: read those that you did not keep. UNSNOOZE follows the NotificationAdded of each.',
  })
  action!: NotificationAction;

  @Field(() => BadgeType, { description: badgeDescription })
  badge!: BadgeType;
}

@ObjectType({
  simpleResolvers: true,
  description:
    'What happened up to here is not told one by one: read the list again, then apply to it what this subscription says after this. It goes on by itself; but when the user was erased, it ends.',
})
class StreamReset {
  @Field(() => String, {
    description:
      'NO_CURSOR: there was no `after`. TOO_OLD: what followed the cursor began more than 7 days ago. TOO_MANY: it is more than 1 000 arrivals and changes, be it that they came faster than they were read, or one change was to more than 1 000 notifications. UNKNOWN_CURSOR: the inbox has never been there. USER_ERASED: nothing of it is left. Others may be added.',
  })
  reason!: string;

  @Field(() => String, { description: 'The place it goes on from: `after`, until there is a newer cursor.' })
  resumeFrom!: string;

  @Field(() => BadgeType, { description: 'As it was when this was read from the store.' })
  badge!: BadgeType;
}

const NotificationStreamEvent = createUnionType({
  name: 'NotificationStreamEvent',
  description: 'What happens in an inbox.',
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
      'What happens in an inbox, in its order, nothing left out and nothing twice: first what happened after a cursor, then live. A client keeps a list right with it: subscribe; at a StreamReset read the list, then apply what follows; after a reconnect subscribe with the newest cursor. A cursor of anything else is BAD_USER_INPUT.',
    subscribe: ({ args, context }: { args: { userId?: string; after?: string }; context: Context }) =>
      context.container.get(NotificationStreamResolver).follow(args, context),
  })
  notificationStream(
    @Root() event: StreamEvent,
    @Arg('userId', () => ID, {
      nullable: true,
      description: 'Default: the caller. Another needs a service or admin token.',
    })
    _userId?: string,
    @Arg('after', () => String, {
      nullable: true,
      description:
        'The newest `cursor` or `resumeFrom` of an earlier subscription of this inbox, good for 7 days and 1 000 arrivals and changes. Absent: begins with a StreamReset.',
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

import {
  Arg,
  Ctx,
  Field,
  ID,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Resolver,
  registerEnumType,
} from 'type-graphql';
import { validate as isUuid } from 'uuid';
import type { Problem } from '../domain/problem.ts';
import { notThere } from '../domain/timing.ts';
import type { Act } from '../flow/act/act.ts';
import type { MarkRequest } from '../flow/act/mark-notifications.ts';
import { BadgeType, badgeNode } from './badge.ts';
import { decodeCursor } from './connection.ts';
import { type Context, maySee, targetUser } from './engine/context.ts';
import { parseNodeId } from './node-id.ts';
import { NotificationType, notificationNode } from './notification.ts';
import { isSeq } from './notification-cursor.ts';
import { filterOf, NotificationFilterInput } from './notification-filter.ts';
import { MutationPayload, type UserError, userErrorsOf } from './payload.ts';
import { DateTime } from './scalars.ts';

/** Ids in one call. */
const maxIds = 500;

export enum NotificationAction {
  SEEN = 'SEEN',
  READ = 'READ',
  UNREAD = 'UNREAD',
  ARCHIVE = 'ARCHIVE',
  UNARCHIVE = 'UNARCHIVE',
  UNSNOOZE = 'UNSNOOZE',
  SNOOZE = 'SNOOZE',
  EXPIRE = 'EXPIRE',
}
registerEnumType(NotificationAction, {
  name: 'NotificationAction',
  description:
    'What happens to notifications that have arrived. All but SNOOZE and EXPIRE are for markNotifications.',
  valuesConfig: {
    SEEN: { description: 'It no longer counts as unseen.' },
    READ: { description: 'It counts as neither unread nor unseen.' },
    UNREAD: { description: 'It counts as unread again; it stays seen.' },
    ARCHIVE: { description: 'It is put away, and seen; it counts as nothing.' },
    UNARCHIVE: { description: 'It is listed again; unread when it was.' },
    UNSNOOZE: { description: 'It arrives again now: at the newest place, unseen and unread.' },
    SNOOZE: {
      description:
        'It is put off: it counts as nothing and is not listed until it arrives again. Told by notificationStream; done by snoozeNotification.',
    },
    EXPIRE: {
      description:
        'Its `expiresAt` has passed: it neither counts nor is listed. Told by notificationStream; nobody can do it.',
    },
  },
});

@InputType({ description: 'What to do with which notifications of one inbox: pass `ids` or `filter`.' })
class MarkNotificationsInput {
  @Field(() => ID, {
    nullable: true,
    description: 'Default: the caller. Another needs a service or admin token.',
  })
  userId?: string | null;

  @Field(() => NotificationAction, {
    description: 'What to do, not SNOOZE or EXPIRE. Those that are so already are left alone.',
  })
  action!: NotificationAction;

  @Field(() => [ID], { nullable: true, description: 'These, 1 to 500; listed, archived or snoozed.' })
  ids?: readonly string[] | null;

  @Field(() => NotificationFilterInput, {
    nullable: true,
    description: 'Those it names, however many. `{}` names everything that is neither archived nor snoozed.',
  })
  filter?: NotificationFilterInput | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Cursor of the newest notification the client showed: what arrived after it is left alone. Absent: everything that had arrived.',
  })
  upTo?: string | null;
}

@InputType({ description: 'What to put off.' })
class SnoozeNotificationInput {
  @Field(() => ID, { description: 'A notification that has arrived and is not archived.' })
  id!: string;

  @Field(() => DateTime, { description: 'When it arrives again: ahead of now, at most a year.' })
  until!: Date;
}

@InputType({ description: 'What to move.' })
class RescheduleNotificationInput {
  @Field(() => ID, { description: 'A notification that is still to come.' })
  id!: string;

  @Field(() => DateTime, { description: 'When it comes, at most a year ahead; now or past: at once.' })
  scheduledFor!: Date;
}

@ObjectType({
  implements: MutationPayload,
  simpleResolvers: true,
  description: 'A notification after the change.',
})
class NotificationPayload implements MutationPayload {
  @Field(() => NotificationType, { nullable: true, description: 'Null when there are errors.' })
  notification!: NotificationType | null;

  @Field(() => BadgeType, {
    nullable: true,
    description: 'Of its user, after the change; null when there are errors.',
  })
  badge!: BadgeType | null;

  userErrors!: readonly UserError[];
}

@ObjectType({ implements: MutationPayload, simpleResolvers: true, description: 'What was done.' })
class MarkNotificationsPayload implements MutationPayload {
  @Field(() => Int, { description: 'How many notifications changed.' })
  affectedCount!: number;

  @Field(() => BadgeType, { nullable: true, description: 'After the change; null when nothing was done.' })
  badge!: BadgeType | null;

  userErrors!: readonly UserError[];
}

@Resolver()
export class MarkingResolver {
  constructor(private readonly deps: { readonly act: Act }) {}

  @Mutation(() => MarkNotificationsPayload, {
    description:
      'Marks notifications as seen, read, archived or the reverse; the badge moves on every device. In an inbox of more than 5000 notifications it takes steps, each of which leaves a correct badge. Repeating it is harmless, and finishes what was cut off.',
  })
  async markNotifications(
    @Arg('input', () => MarkNotificationsInput) input: MarkNotificationsInput,
    @Ctx() context: Context,
  ) {
    const user = targetUser(context, input.userId);
    const upTo = input.upTo ?? undefined;
    const [seq] = upTo === undefined ? [] : decodeCursor(upTo, 'notifications', user, isSeq);
    const { action } = input;
    if (action === NotificationAction.SNOOZE || action === NotificationAction.EXPIRE) {
      const message = `${action} is not for marking: to put one off, call snoozeNotification.`;
      return refused({ code: 'INVALID_INPUT', message, path: ['input', 'action'] });
    }
    const selected = selectionOf(input);
    if ('problem' in selected) return refused(selected.problem);
    const marked = await this.deps.act.markNotifications(user, {
      action,
      which: selected.which,
      ...(seq !== undefined && { upToSeq: BigInt(seq) }),
    });
    if ('problem' in marked) return refused(marked.problem);
    const unknown = new Set([...selected.foreignIds, ...marked.unknownIds]);
    const problems = [...selected.at].flatMap(([id, index]): readonly Problem[] =>
      unknown.has(id)
        ? [
            {
              code: 'NOT_FOUND',
              message: 'No such notification in this inbox.',
              path: ['input', 'ids', String(index)],
            },
          ]
        : [],
    );
    return {
      affectedCount: marked.affectedCount,
      badge: badgeNode(marked.badge),
      userErrors: userErrorsOf(problems),
    };
  }

  @Mutation(() => NotificationPayload, {
    description:
      'Puts a notification off: until then it counts as nothing, then it arrives again at the newest place, unseen and unread.',
  })
  snoozeNotification(
    @Arg('input', () => SnoozeNotificationInput) { id, until }: SnoozeNotificationInput,
    @Ctx() context: Context,
  ) {
    const mayAct = (userId: string) => maySee(context, userId);
    return changeOne(id, context, (notification) => this.deps.act.snooze(notification, until, mayAct));
  }

  @Mutation(() => NotificationPayload, {
    description:
      'Takes back a notification that is still to come; taking it back again changes nothing. Service and admin tokens only.',
  })
  cancelScheduledNotification(
    @Arg('id', () => ID, { description: 'The notification.' }) id: string,
    @Ctx() context: Context,
  ) {
    return changeOne(id, context, (notification) => this.deps.act.cancel(notification));
  }

  @Mutation(() => NotificationPayload, {
    description: 'Moves a notification that is still to come. Service and admin tokens only.',
  })
  rescheduleNotification(
    @Arg('input', () => RescheduleNotificationInput) { id, scheduledFor }: RescheduleNotificationInput,
    @Ctx() context: Context,
  ) {
    return changeOne(id, context, (notification) => this.deps.act.reschedule(notification, scheduledFor));
  }
}

type Changed = Awaited<ReturnType<Act['snooze']>>;

/** Changes the notification with this id. Ids of other nodes answer NOT_FOUND, like unknown ones. */
async function changeOne(
  id: string,
  { caller }: Context,
  change: (notification: { readonly tenantId: string; readonly id: string }) => Promise<Changed>,
) {
  const { kind, parts: [rowId = ''] = [] } = parseNodeId(id) ?? {};
  const outcome: Changed =
    kind === 'Notification' && isUuid(rowId)
      ? await change({ tenantId: caller.tenantId, id: rowId })
      : { problem: { ...notThere, path: ['input', 'id'] } };
  return 'problem' in outcome
    ? { notification: null, badge: null, userErrors: userErrorsOf([outcome.problem]) }
    : {
        notification: notificationNode(outcome.notification),
        badge: badgeNode(outcome.badge),
        userErrors: [],
      };
}

const refused = (problem: Problem) => ({
  affectedCount: 0,
  badge: null,
  userErrors: userErrorsOf([problem]),
});

type Selection = {
  readonly which: MarkRequest['which'];
  /** The index of each id in the input. */
  readonly at: ReadonlyMap<string, number>;
  /** Ids that name no notification. */
  readonly foreignIds: readonly string[];
};

function selectionOf({ ids, filter }: MarkNotificationsInput): Selection | { readonly problem: Problem } {
  if (Boolean(ids) === Boolean(filter)) {
    const message = 'Pass either ids or filter; filter: {} names everything listed.';
    return { problem: { code: 'INVALID_INPUT', message, path: ['input'] } };
  }
  if (!ids) return { which: { filter: filterOf(filter) }, at: new Map(), foreignIds: [] };
  if (ids.length === 0 || ids.length > maxIds) {
    const code = ids.length === 0 ? ('INVALID_INPUT' as const) : ('TOO_MANY_ITEMS' as const);
    const message = `ids must have 1 to ${maxIds} entries; use filter for more.`;
    return { problem: { code, message, path: ['input', 'ids'] } };
  }
  const at = new Map<string, number>();
  const foreignIds: string[] = [];
  const rowIds = ids.flatMap((id, index) => {
    const { kind, parts: [rowId = ''] = [] } = parseNodeId(id) ?? {};
    const isNotification = kind === 'Notification' && isUuid(rowId);
    if (!isNotification) foreignIds.push(id);
    at.set(isNotification ? rowId : id, index);
    return isNotification ? [rowId] : [];
  });
  return { which: { ids: rowIds }, at, foreignIds };
}

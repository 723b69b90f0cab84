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

/** The maximum number of ids in one call. */
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
    'A change to notifications that have arrived. `markNotifications` accepts every action except SNOOZE and EXPIRE.',
  valuesConfig: {
    SEEN: { description: 'Marks the notification as seen.' },
    READ: { description: 'Marks the notification as read and seen.' },
    UNREAD: { description: 'Marks the notification as unread. The notification stays seen.' },
    ARCHIVE: {
      description: 'Archives the notification and marks it as seen. An archived notification does not count.',
    },
    UNARCHIVE: {
      description:
        'Moves the notification out of the archive. A notification that was unread when it was archived is unread again.',
    },
    UNSNOOZE: {
      description:
        'Ends the snooze. The notification arrives again at the top of the list, unseen and unread.',
    },
    SNOOZE: {
      description:
        'The notification was snoozed. A snoozed notification neither counts nor appears in lists until it arrives again. Only `notificationStream` reports this action. Use `snoozeNotification` to snooze.',
    },
    EXPIRE: {
      description:
        'The notification has expired. An expired notification neither counts nor appears in lists. Only `notificationStream` reports this action.',
    },
  },
});

@InputType({
  description: 'The notifications to mark in one inbox, and the action. Pass either `ids` or `filter`.',
})
class MarkNotificationsInput {
  @Field(() => ID, {
    nullable: true,
    description:
      'The user to act for. Defaults to the caller. Acting for another user requires a service or admin token.',
  })
  userId?: string | null;

  @Field(() => NotificationAction, {
    description:
      'The action. SNOOZE and EXPIRE are refused. Notifications that are already in the requested state do not change.',
  })
  action!: NotificationAction;

  @Field(() => [ID], {
    nullable: true,
    description: 'Marks these notifications, 1 to 500. The notifications may be archived or snoozed.',
  })
  ids?: readonly string[] | null;

  @Field(() => NotificationFilterInput, {
    nullable: true,
    description:
      'Marks every notification that matches. `{}` matches every notification that is not archived and not snoozed.',
  })
  filter?: NotificationFilterInput | null;

  @Field(() => String, {
    nullable: true,
    description:
      'The cursor of the newest notification that the client showed. Notifications that arrived later are not marked. If absent, `ids` or `filter` alone select the notifications.',
  })
  upTo?: string | null;
}

@InputType({ description: 'The notification to snooze, and the end of the snooze.' })
class SnoozeNotificationInput {
  @Field(() => ID, { description: 'A notification that has arrived and is not archived.' })
  id!: string;

  @Field(() => DateTime, { description: 'The end of the snooze, in the future and at most a year from now.' })
  until!: Date;
}

@InputType({ description: 'The notification and its new time.' })
class RescheduleNotificationInput {
  @Field(() => ID, { description: 'A scheduled notification.' })
  id!: string;

  @Field(() => DateTime, {
    description: 'The new time, at most a year in the future. A time in the past delivers at once.',
  })
  scheduledFor!: Date;
}

@ObjectType({
  implements: MutationPayload,
  simpleResolvers: true,
  description: 'The notification after the mutation.',
})
class NotificationPayload implements MutationPayload {
  @Field(() => NotificationType, { nullable: true, description: 'Null if there are errors.' })
  notification!: NotificationType | null;

  @Field(() => BadgeType, {
    nullable: true,
    description: 'The badge of the user after the change. Null if there are errors.',
  })
  badge!: BadgeType | null;

  userErrors!: readonly UserError[];
}

@ObjectType({
  implements: MutationPayload,
  simpleResolvers: true,
  description: 'The notifications that changed, and the badge.',
})
class MarkNotificationsPayload implements MutationPayload {
  @Field(() => Int, { description: 'The number of notifications that changed.' })
  affectedCount!: number;

  @Field(() => BadgeType, {
    nullable: true,
    description: 'The badge after the change. Null if there are errors.',
  })
  badge!: BadgeType | null;

  userErrors!: readonly UserError[];
}

@Resolver()
export class MarkingResolver {
  constructor(private readonly deps: { readonly act: Act }) {}

  @Mutation(() => MarkNotificationsPayload, {
    description:
      'Marks notifications, for example as read or archived, and updates the badge on every device. In an inbox of more than 5000 notifications the mutation works in steps, and the badge is correct after each step. Repeat an interrupted call to complete it. Repeating a completed call changes nothing.',
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
      const message = `markNotifications does not accept ${action}. To snooze a notification, call snoozeNotification.`;
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
              message: 'This inbox has no notification with this id.',
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
      'Snoozes a notification until a time. During the snooze the notification does not count. At the end of the snooze the notification arrives again at the top of the list, unseen and unread.',
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
      'Cancels a scheduled notification. A repeated call changes nothing. Requires a service or admin token.',
  })
  cancelScheduledNotification(
    @Arg('id', () => ID, { description: 'The id of the notification.' }) id: string,
    @Ctx() context: Context,
  ) {
    return changeOne(id, context, (notification) => this.deps.act.cancel(notification), ['id']);
  }

  @Mutation(() => NotificationPayload, {
    description: 'Changes the time of a scheduled notification. Requires a service or admin token.',
  })
  rescheduleNotification(
    @Arg('input', () => RescheduleNotificationInput) { id, scheduledFor }: RescheduleNotificationInput,
    @Ctx() context: Context,
  ) {
    return changeOne(id, context, (notification) => this.deps.act.reschedule(notification, scheduledFor));
  }
}

type Changed = Awaited<ReturnType<Act['snooze']>>;

/**
 * Changes the notification with this id. Returns NOT_FOUND if the id is unknown or belongs to another kind of
 * node.
 */
async function changeOne(
  id: string,
  { caller }: Context,
  change: (notification: { readonly tenantId: string; readonly id: string }) => Promise<Changed>,
  path: readonly string[] = ['input', 'id'],
) {
  const { kind, parts: [rowId = ''] = [] } = parseNodeId(id) ?? {};
  const outcome: Changed =
    kind === 'Notification' && isUuid(rowId)
      ? await change({ tenantId: caller.tenantId, id: rowId })
      : { problem: notThere };
  return 'problem' in outcome
    ? { notification: null, badge: null, userErrors: userErrorsOf([{ path, ...outcome.problem }]) }
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
  /** Maps each id to its index in the input. */
  readonly at: ReadonlyMap<string, number>;
  /** The ids that are not ids of notifications. */
  readonly foreignIds: readonly string[];
};

function selectionOf({ ids, filter }: MarkNotificationsInput): Selection | { readonly problem: Problem } {
  if (Boolean(ids) === Boolean(filter)) {
    const message =
      'Pass either ids or filter. An empty filter, {}, matches every notification that is not archived and not snoozed.';
    return { problem: { code: 'INVALID_INPUT', message, path: ['input'] } };
  }
  if (!ids) return { which: { filter: filterOf(filter) }, at: new Map(), foreignIds: [] };
  if (ids.length === 0 || ids.length > maxIds) {
    const code = ids.length === 0 ? ('INVALID_INPUT' as const) : ('TOO_MANY_ITEMS' as const);
    const message = `ids must have 1 to ${maxIds} entries. To mark more notifications, use filter.`;
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

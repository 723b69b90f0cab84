import { Arg, Ctx, Field, ID, InputType, Int, Mutation, ObjectType, Resolver } from 'type-graphql';
import type { Record } from '../flow/record/record.ts';
import { type Context, targetUser } from './engine/context.ts';
import { nodeId } from './node-id.ts';
import { Severity } from './notification.ts';
import { countProblem, MutationPayload, type UserError, userErrorsOf } from './payload.ts';
import { DateTime, IdempotencyKey, JSONObject } from './scalars.ts';

@InputType({ description: 'The content of a notification.' })
class NotificationContentInput {
  @Field(() => String, {
    defaultValue: 'general',
    description: 'The category, 1 to 64 characters of `A-Z a-z 0-9 _ . : -`.',
  })
  category!: string;

  @Field(() => Severity, { defaultValue: Severity.NORMAL, description: 'The importance for the user.' })
  severity!: Severity;

  @Field(() => String, { description: 'The title, 1 to 200 characters of plain text.' })
  title!: string;

  @Field(() => String, { nullable: true, description: 'The text, at most 4000 characters of plain text.' })
  body?: string | null;

  @Field(() => JSONObject, { nullable: true, description: 'Data for the client, at most 16 KB.' })
  data?: globalThis.Record<string, unknown> | null;

  @Field(() => String, {
    nullable: true,
    description:
      'The target of a click: an http(s) URL, or a path that starts with a single `/`. At most 2000 characters.',
  })
  actionUrl?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'The id of the page or item that the notification is about, 1 to 128 characters. A visit to this page or item marks the newest 1000 notifications about it as read.',
  })
  subjectId?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'The key of the group, 1 to 128 characters. If the user has an unseen notification with the same key, the new notification replaces its content and increases its `groupCount`. The group counts as one notification.',
  })
  groupKey?: string | null;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'From this time on, the notification neither counts nor appears in lists. The time must be after the delivery. If absent, the notification never expires.',
  })
  expiresAt?: Date | null;
}

@InputType({ description: 'A notification for one user.' })
class SendNotificationInput {
  @Field(() => ID, {
    description:
      'The user who receives the notification. The user must exist. Unseen creates a user at the first page view, item view or limit event of the user, and when the user calls `viewer`, `openInbox` or `updatePreferences`. `upsertUsers` and `importUserRange` also create users.',
  })
  userId!: string;

  @Field(() => NotificationContentInput, { description: 'The content of the notification.' })
  content!: NotificationContentInput;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'The delivery time, at most a year in the future. Defaults to now. A time in the past delivers at once.',
  })
  scheduledFor?: Date | null;

  @Field(() => IdempotencyKey, {
    nullable: true,
    description: 'Makes a retry safe. Repeated calls with the same key send once.',
  })
  idempotencyKey?: string | null;
}

@InputType({ description: 'The same notification for many users.' })
class SendNotificationsInput {
  @Field(() => [ID], {
    description:
      'The ids of 1 to 500 users, without duplicates. The users must exist, as in `SendNotificationInput`.',
  })
  userIds!: string[];

  @Field(() => NotificationContentInput, { description: 'The content for every user.' })
  content!: NotificationContentInput;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'The delivery time, at most a year in the future. Defaults to now. A time in the past delivers at once.',
  })
  scheduledFor?: Date | null;

  @Field(() => IdempotencyKey, {
    nullable: true,
    description:
      'Makes a retry safe. Repeated calls with the same key send once and return the same result, even if users have changed their preferences.',
  })
  idempotencyKey?: string | null;
}

@ObjectType({
  implements: MutationPayload,
  simpleResolvers: true,
  description: 'The notification that was sent.',
})
class SendNotificationPayload implements MutationPayload {
  @Field(() => ID, {
    nullable: true,
    description:
      'The id of the notification. The notification is durable and is delivered a moment later. Null if there are errors.',
  })
  notificationId!: string | null;

  userErrors!: readonly UserError[];
}

@ObjectType({
  implements: MutationPayload,
  simpleResolvers: true,
  description: 'The notifications that were sent.',
})
class SendNotificationsPayload implements MutationPayload {
  @Field(() => [ID], {
    description:
      'The ids of the accepted notifications, in the order of `userIds`. The notifications are durable and are delivered a moment later.',
  })
  notificationIds!: readonly string[];

  @Field(() => Int, { description: 'The number of users whose notification was accepted.' })
  accepted!: number;

  userErrors!: readonly UserError[];
}

@Resolver()
export class SendingResolver {
  constructor(private readonly deps: { readonly record: Record }) {}

  @Mutation(() => SendNotificationPayload, {
    description:
      'Sends a notification to one user. Answers when the notification is durable. The badge changes a moment later. Requires a service or admin token.',
  })
  async sendNotification(
    @Arg('input', () => SendNotificationInput) input: SendNotificationInput,
    @Ctx() context: Context,
  ) {
    const { userId } = targetUser(context, input.userId);
    const { eventIds, problems } = await this.deps.record.notification(context.caller, 'sendNotification', {
      userId,
      ...notificationOf(input),
    });
    const [id] = eventIds;
    return {
      notificationId: id === undefined ? null : nodeId('Notification', id),
      userErrors: userErrorsOf(problems),
    };
  }

  @Mutation(() => SendNotificationsPayload, {
    description:
      'Sends the same notification to up to 500 users. Users who cannot receive the notification are reported in `userErrors` with the path of their id. All other users receive the notification. If the content or a time is invalid, no user receives it. Answers when the notifications are durable. The badges change a moment later. Requires a service or admin token.',
  })
  async sendNotifications(
    @Arg('input', () => SendNotificationsInput) input: SendNotificationsInput,
    @Ctx() { caller }: Context,
  ) {
    const { userIds } = input;
    const problem = countProblem('userIds', userIds.length);
    const { eventIds, problems } = problem
      ? { eventIds: [], problems: [problem] }
      : await this.deps.record.notifications(caller, 'sendNotifications', {
          userIds,
          ...notificationOf(input),
        });
    return {
      notificationIds: eventIds.map((id) => nodeId('Notification', id)),
      accepted: eventIds.length,
      userErrors: userErrorsOf(problems),
    };
  }
}

/** The content, time and idempotency key of a notification, without its receivers. */
function notificationOf({
  content,
  scheduledFor,
  idempotencyKey,
}: Pick<SendNotificationInput, 'content' | 'scheduledFor' | 'idempotencyKey'>) {
  return {
    content: withoutNulls({ ...content, scheduledFor }),
    idempotencyKey: idempotencyKey ?? undefined,
  };
}

/** Removes fields that are null or undefined, because an event omits such fields. */
function withoutNulls<T extends object>(input: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(input).filter(([, value]) => value !== null && value !== undefined),
  ) as Partial<T>;
}

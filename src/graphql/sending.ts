import { Arg, Ctx, Field, ID, InputType, Int, Mutation, ObjectType, Resolver } from 'type-graphql';
import type { Record } from '../flow/record/record.ts';
import { type Context, targetUser } from './engine/context.ts';
import { nodeId } from './node-id.ts';
import { Severity } from './notification.ts';
import { countProblem, MutationPayload, type UserError, userErrorsOf } from './payload.ts';
import { DateTime, IdempotencyKey, JSONObject } from './scalars.ts';

@InputType({ description: 'What a notification says.' })
class NotificationContentInput {
  @Field(() => String, { defaultValue: 'general', description: '1 to 64 of `A-Z a-z 0-9 _ . : -`.' })
  category!: string;

  @Field(() => Severity, { defaultValue: Severity.NORMAL, description: 'How much it matters.' })
  severity!: Severity;

  @Field(() => String, { description: '1 to 200 characters of plain text.' })
  title!: string;

  @Field(() => String, { nullable: true, description: 'At most 4000 characters of plain text.' })
  body?: string | null;

  @Field(() => JSONObject, { nullable: true, description: 'Anything the client needs, at most 16 KB.' })
  data?: globalThis.Record<string, unknown> | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Where a click leads: an http(s) URL or a path that starts with a single `/`, at most 2000 characters.',
  })
  actionUrl?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'The page or item this is about, 1 to 128 characters: visiting it marks the notification read, of more than 1000 about it the newest.',
  })
  subjectId?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      '1 to 128 characters. Joins the unseen notification of the same user and group: its content replaces the older, `groupCount` grows, it counts once.',
  })
  groupKey?: string | null;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'From then on it neither counts nor is listed; later than the moment it comes. Default: never.',
  })
  expiresAt?: Date | null;
}

@InputType({ description: 'A notification for one user.' })
class SendNotificationInput {
  @Field(() => ID, {
    description:
      'Must exist: users come into being with their first page view, item view or event of a limit, when a token of their own asks for `viewer`, `openInbox` or `updatePreferences`, and by `upsertUsers` and `importUserRange`.',
  })
  userId!: string;

  @Field(() => NotificationContentInput, { description: 'What it says.' })
  content!: NotificationContentInput;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When it comes, at most a year ahead; absent or past: at once.',
  })
  scheduledFor?: Date | null;

  @Field(() => IdempotencyKey, {
    nullable: true,
    description: 'Makes a retry safe: the same key sends once.',
  })
  idempotencyKey?: string | null;
}

@InputType({ description: 'The same notification for many users.' })
class SendNotificationsInput {
  @Field(() => [ID], {
    description: '1 to 500, each user once. They must exist, as in `SendNotificationInput`.',
  })
  userIds!: string[];

  @Field(() => NotificationContentInput, { description: 'What it says, to each of them.' })
  content!: NotificationContentInput;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When it comes, at most a year ahead; absent or past: at once.',
  })
  scheduledFor?: Date | null;

  @Field(() => IdempotencyKey, {
    nullable: true,
    description:
      'Makes a retry safe: the same key sends once, and has the same answer whatever the users have chosen meanwhile.',
  })
  idempotencyKey?: string | null;
}

@ObjectType({
  implements: MutationPayload,
  simpleResolvers: true,
  description: 'The notification that is on its way.',
})
class SendNotificationPayload implements MutationPayload {
  @Field(() => ID, {
    nullable: true,
    description: "The notification's id, durable and delivered a moment later; null when there are errors.",
  })
  notificationId!: string | null;

  userErrors!: readonly UserError[];
}

@ObjectType({
  implements: MutationPayload,
  simpleResolvers: true,
  description: 'The notifications that are on their way.',
})
class SendNotificationsPayload implements MutationPayload {
  @Field(() => [ID], {
    description:
      'One for each user it was accepted for, in the order of userIds; durable, and delivered a moment later.',
  })
  notificationIds!: readonly string[];

  @Field(() => Int, { description: 'For how many of the users it was accepted.' })
  accepted!: number;

  userErrors!: readonly UserError[];
}

@Resolver()
export class SendingResolver {
  constructor(private readonly deps: { readonly record: Record }) {}

  @Mutation(() => SendNotificationPayload, {
    description:
      'Sends a notification to one user. Answers when it is durable; the badge moves a moment later. Service and admin tokens only.',
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
      'Sends the same notification to up to 500 users with one answer. Users that cannot be sent to are reported in userErrors, each with the path of its id, and the others are sent to; with content or a time that is not valid nobody is. Answers when it is durable; the badges move a moment later. Service and admin tokens only.',
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

/** The content, time and idempotency key of a notification, for whichever users. */
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

/** GraphQL's null is "not given" to the event. */
function withoutNulls<T extends object>(input: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(input).filter(([, value]) => value !== null && value !== undefined),
  ) as Partial<T>;
}

import { Arg, Ctx, Field, ID, InputType, Int, Mutation, ObjectType, Resolver } from 'type-graphql';
import { validate as isUuid } from 'uuid';
import { AppError } from '../domain/error.ts';
import type { PageView } from '../domain/page-view.ts';
import type { UserKey } from '../domain/user.ts';
import { pageViewType } from '../events/activity.ts';
import type { PageViewReads } from '../flow/read/page-views.ts';
import type { PageViewInput } from '../flow/record/page-views.ts';
import type { Record } from '../flow/record/record.ts';
import { createConnection, decodeCursor, encodeCursor, type PageRequest, pageOf } from './connection.ts';
import type { DateTimeRangeInput } from './date-time-range.ts';
import { type Context, targetUser } from './engine/context.ts';
import { nodeId } from './node-id.ts';
import { Node } from './node-interface.ts';
import { countProblem, MutationPayload, type UserError, userErrorsOf } from './payload.ts';
import { DateTime, IdempotencyKey } from './scalars.ts';

@ObjectType('PageView', { implements: Node, simpleResolvers: true, description: 'One view of one page.' })
export class PageViewType implements Node {
  id!: string;

  @Field(() => String, { description: 'The name of the page. Stats count views per name.' })
  name!: string;

  @Field(() => String, { nullable: true, description: 'The path of the page on the site.' })
  path!: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'The id of the item or other subject that the user visited.',
  })
  subjectId!: string | null;

  @Field(() => DateTime, { description: 'When the user viewed the page.' })
  occurredAt!: Date;

  @Field(() => DateTime, { description: 'When Unseen appended the view to the log.' })
  receivedAt!: Date;
}

export const PageViewConnection = createConnection('PageView', {
  node: PageViewType,
  description: 'A page of page views, newest first.',
  edge: { description: 'A page view with its cursor.' },
  totalCount: 'The number of all entries in the range. Counted only if selected.',
});

export const pageViewNode = (view: PageView) => ({
  ...view,
  __typename: 'PageView' as const,
  id: nodeId('PageView', view.userId, String(view.occurredAt.getTime()), view.id),
});

const pageViewCursor = (view: PageView) =>
  encodeCursor('pageViews', view, [String(view.occurredAt.getTime()), view.id]);

const isPlace = ([time = '', id = '', ...rest]: readonly string[]) =>
  rest.length === 0 && /^\d{1,15}$/.test(time) && isUuid(id);

/** One page of the page views of a user. The count is read only if it is selected. */
export async function pageViewPage(
  pageViewReads: PageViewReads,
  user: UserKey,
  page: PageRequest,
  range: DateTimeRangeInput | undefined,
) {
  if (range?.to && range.to <= range.from)
    throw new AppError('BAD_USER_INPUT', 'range.to must be later than range.from.');
  const place = page.after === undefined ? undefined : decodeCursor(page.after, 'pageViews', user, isPlace);
  const within = { ...(range && { from: range.from }), ...(range?.to && { to: range.to }) };
  const rows = await pageViewReads.list(user, {
    ...within,
    first: page.first,
    ...(place && { after: { occurredAt: new Date(Number(place[0])), id: place[1] as string } }),
  });
  return {
    ...pageOf(rows, page, { cursorOf: pageViewCursor, nodeOf: pageViewNode }),
    totalCount: () => pageViewReads.count(user, within),
  };
}

@InputType({ description: 'A page view or another activity of a user.' })
class RecordPageViewInput {
  @Field(() => ID, {
    nullable: true,
    description:
      'The user to act for. Defaults to the caller. Acting for another user requires a service or admin token.',
  })
  userId?: string | null;

  @Field(() => String, {
    description: 'The name of the page, 1 to 500 characters. Stats count views per name.',
  })
  name!: string;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'The time of the activity, at most the retention (183 days by default) in the past and at most 5 minutes in the future. Defaults to now.',
  })
  occurredAt?: Date | null;

  @Field(() => String, {
    nullable: true,
    description: 'The path of the page on the site, 1 to 2000 characters.',
  })
  path?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'The id of the item or other subject that the user visited, 1 to 128 characters.',
  })
  subjectId?: string | null;

  @Field(() => String, {
    defaultValue: pageViewType,
    description:
      'The type of the activity, 1 to 128 characters. Defaults to `page_view`. Other types count only in `activityMetrics`. The metrics count up to 200 types per tenant by name (`MAX_ACTIVITY_TYPES`). Further types, and types of more than 64 bytes, count as `other`.',
  })
  activityType!: string;

  @Field(() => IdempotencyKey, {
    nullable: true,
    description: 'Makes a retry safe. Repeated calls with the same key count once.',
  })
  idempotencyKey?: string | null;
}

@InputType({ description: 'Several page views.' })
class RecordPageViewsInput {
  @Field(() => [RecordPageViewInput], { description: '1 to 500 page views.' })
  views!: RecordPageViewInput[];
}

@ObjectType({ implements: MutationPayload, simpleResolvers: true, description: 'The recorded events.' })
class RecordPageViewPayload implements MutationPayload {
  @Field(() => ID, { nullable: true, description: 'The id of the durable event. Null if there are errors.' })
  eventId!: string | null;

  userErrors!: readonly UserError[];
}

@ObjectType({ implements: MutationPayload, simpleResolvers: true, description: 'The recorded events.' })
class RecordPageViewsPayload implements MutationPayload {
  @Field(() => Int, { description: 'The number of views that are now durable.' })
  accepted!: number;

  @Field(() => [ID], { description: 'The ids of the accepted views, in their order.' })
  eventIds!: readonly string[];

  userErrors!: readonly UserError[];
}

@Resolver(() => PageViewType)
export class PageViewResolver {
  constructor(private readonly deps: { readonly record: Record }) {}

  @Mutation(() => RecordPageViewPayload, {
    description:
      'Records that a user viewed a page or did something else. Answers when the event is durable. Stats and metrics include the event a moment later.',
  })
  async recordPageView(
    @Arg('input', () => RecordPageViewInput) input: RecordPageViewInput,
    @Ctx() context: Context,
  ) {
    const view = pageViewInput(input, context, ['input']);
    const { eventIds, problems } = await this.deps.record.pageViews(context.caller, 'recordPageView', [view]);
    return { eventId: eventIds[0] ?? null, userErrors: userErrorsOf(problems) };
  }

  @Mutation(() => RecordPageViewsPayload, {
    description:
      'Records up to 500 page views. Invalid views are reported in `userErrors`, and all other views are recorded.',
  })
  async recordPageViews(
    @Arg('input', () => RecordPageViewsInput) { views }: RecordPageViewsInput,
    @Ctx() context: Context,
  ) {
    const problem = countProblem('views', views.length);
    if (problem) return { accepted: 0, eventIds: [], userErrors: userErrorsOf([problem]) };
    const inputs = views.map((view, index) =>
      pageViewInput(view, context, ['input', 'views', String(index)]),
    );
    const { eventIds, problems } = await this.deps.record.pageViews(
      context.caller,
      'recordPageViews',
      inputs,
    );
    return { accepted: eventIds.length, eventIds, userErrors: userErrorsOf(problems) };
  }
}

function pageViewInput(input: RecordPageViewInput, context: Context, at: readonly string[]): PageViewInput {
  return {
    userId: targetUser(context, input.userId).userId,
    name: input.name,
    occurredAt: input.occurredAt ?? undefined,
    path: input.path ?? undefined,
    subjectId: input.subjectId ?? undefined,
    activityType: input.activityType,
    idempotencyKey: input.idempotencyKey ?? undefined,
    at,
  };
}

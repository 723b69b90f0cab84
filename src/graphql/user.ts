import type { GraphQLResolveInfo } from 'graphql';
import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  ID,
  Info,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import { itemsKey, notificationsKey } from '../domain/badge.ts';
import type { ShownLimit } from '../domain/limit.ts';
import type { Problem } from '../domain/problem.ts';
import { problemsOf } from '../domain/problem.ts';
import type { User, UserKey, UserPatch } from '../domain/user.ts';
import { name } from '../events/text.ts';
import type { Act } from '../flow/act/act.ts';
import type { ItemReads } from '../flow/read/items.ts';
import type { NotificationReads } from '../flow/read/notifications.ts';
import type { PageViewReads } from '../flow/read/page-views.ts';
import type { Read } from '../flow/read/read.ts';
import type { UserReads } from '../flow/read/users.ts';
import type { Clock } from '../ports/clock.ts';
import { BadgeType, badgeNode, checkBadgeKey, distinctKeys } from './badge.ts';
import { afterArg, firstArg, pageRequest } from './connection.ts';
import { DateTimeRangeInput } from './date-time-range.ts';
import { type Context, maySee } from './engine/context.ts';
import { maxBadges } from './engine/cost-table.ts';
import { lookaheadFilter } from './limit-filter.ts';
import { nodeId } from './node-id.ts';
import { Node } from './node-interface.ts';
import { NotificationConnection, notificationPage, scheduledPage } from './notification.ts';
import { filterOf, NotificationFilterInput } from './notification-filter.ts';
import { PageViewConnection, pageViewPage } from './page-view.ts';
import { countProblem, MutationPayload, type UserError, userErrorsOf } from './payload.ts';
import { DateTime, TimeZone } from './scalars.ts';
import { StatsWindowInput, sharedStats, UserStatsType } from './stats.ts';

const afterSoonestArg = {
  nullable: true,
  description:
    'The cursor of the last entry of the previous page. If absent, the page begins with the next scheduled notification.',
};

@ObjectType('User', { implements: Node, simpleResolvers: true, description: 'A user of the tenant.' })
export class UserType implements Node {
  id!: string;

  @Field(() => ID, { description: "The tenant's id of the user." })
  userId!: string;

  @Field(() => TimeZone, { description: "The time zone of the user's days." })
  timeZone!: string;

  @Field(() => Boolean, { description: 'Whether notifications reach the user.' })
  canReceiveNotifications!: boolean;

  @Field(() => DateTime, { description: 'When Unseen created the user.' })
  createdAt!: Date;
}

export interface UserNode extends User {
  readonly __typename: 'User';
  readonly id: string;
  /** The limits for the field `limits`, if they were read together with the user. */
  readonly preloadedLimits?: readonly ShownLimit[];
}

export const userNode = (user: User): UserNode => ({
  ...user,
  __typename: 'User',
  id: nodeId('User', user.userId),
});

@InputType({
  description: 'The values to change. An absent field does not change the value. Null restores the default.',
})
export class UserPatchInput {
  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether notifications reach the user. Defaults to true.',
  })
  canReceiveNotifications?: boolean | null;

  @Field(() => TimeZone, {
    nullable: true,
    description: "The time zone of the user's days. Defaults to UTC.",
  })
  timeZone?: string | null;
}

@InputType({ description: 'A user to create or change.' })
class UpsertUserInput {
  @Field(() => ID, { description: 'The id, 1 to 128 characters without control characters.' })
  userId!: string;

  @Field(() => UserPatchInput, { description: 'The changes.' })
  patch!: UserPatchInput;
}

@InputType({ description: 'Users to create or change.' })
class UpsertUsersInput {
  @Field(() => [UpsertUserInput], { description: '1 to 500 users, without duplicates.' })
  users!: UpsertUserInput[];
}

@ObjectType({ implements: MutationPayload, simpleResolvers: true, description: 'The result for the users.' })
export class UpsertUsersPayload implements MutationPayload {
  @Field(() => Int, { description: 'The number of created users.' })
  createdCount!: number;

  @Field(() => Int, { description: 'The number of changed users.' })
  updatedCount!: number;

  userErrors!: readonly UserError[];
}

interface Deps {
  readonly act: Act;
  readonly read: Read;
  readonly userReads: UserReads;
  readonly notificationReads: NotificationReads;
  readonly pageViewReads: PageViewReads;
  readonly itemReads: ItemReads;
  readonly clock: Clock;
}

@Resolver(() => UserType)
export class UserResolver {
  constructor(private readonly deps: Deps) {}

  @Query(() => UserType, { nullable: true, description: 'The caller. Null for a service or admin token.' })
  async viewer(@Ctx() { caller }: Context, @Info() info: GraphQLResolveInfo) {
    if (caller.role !== 'user') return null;
    const key = { tenantId: caller.tenantId, userId: caller.subject };
    return (await this.findUser(key, info)) ?? userNode(await this.deps.read.self(key));
  }

  @Query(() => UserType, {
    nullable: true,
    description: 'A user. Null if the user is unknown or the caller may not see the user.',
  })
  async user(
    @Arg('userId', () => ID, { description: "The tenant's id of the user." }) userId: string,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ) {
    if (!maySee(context, userId) || !name.safeParse(userId).success) return null;
    return (await this.findUser({ tenantId: context.caller.tenantId, userId }, info)) ?? null;
  }

  /**
   * Reads the user, and the limits of the user if they are selected. Reading the limits later would take
   * another query.
   */
  private async findUser(key: UserKey, info: GraphQLResolveInfo): Promise<UserNode | undefined> {
    const { read, userReads, clock } = this.deps;
    const filter = lookaheadFilter(info, clock.now());
    if (!filter) {
      const user = await read.user(key);
      return user && userNode(user);
    }
    const found = await userReads.withLimits(key, filter);
    return found && { ...userNode(found.user), preloadedLimits: found.limits };
  }

  @FieldResolver(() => DateTime, {
    nullable: true,
    description: 'When the user last opened the inbox. Null if the user has never opened it.',
  })
  async lastOpenedNotificationsAt(@Root() user: User): Promise<Date | null> {
    return (await this.deps.read.inbox(user)).lastOpenedAt;
  }

  @FieldResolver(() => BadgeType, { description: 'A badge of this user in its current state.' })
  async badge(
    @Root() user: User,
    @Arg('key', () => String, {
      defaultValue: notificationsKey,
      description:
        '`notifications`, or `items:` followed by the name of a collection. The collection need not exist yet.',
    })
    key: string,
  ) {
    checkBadgeKey(key);
    return badgeNode(await this.deps.read.badge(user, key));
  }

  @FieldResolver(() => [BadgeType], { description: 'Badges of this user in their current state.' })
  async badges(
    @Root() user: User,
    @Arg('keys', () => [String], {
      nullable: true,
      description:
        'The keys of 1 to 100 badges. The result has the order of the keys and no duplicates. Defaults to `notifications` and every collection of the tenant, sorted by name. If the default would have more than 100 badges, `keys` is required.',
    })
    keys?: string[],
  ) {
    const { read, itemReads } = this.deps;
    const wanted = distinctKeys(keys ?? (await allBadgeKeys(itemReads, user.tenantId)));
    return (await Promise.all(wanted.map((key) => read.badge(user, key)))).map(badgeNode);
  }

  @FieldResolver(() => NotificationConnection, { description: 'The inbox, newest first.' })
  notifications(
    @Root() user: User,
    @Arg('first', () => Int, firstArg) first: number | null,
    @Arg('after', () => String, afterArg) after?: string,
    @Arg('filter', () => NotificationFilterInput, {
      nullable: true,
      description: 'Restricts the list. Defaults to notifications that are not archived and not snoozed.',
    })
    filter?: NotificationFilterInput,
  ) {
    return notificationPage(this.deps, user, pageRequest(first, after), filterOf(filter));
  }

  @FieldResolver(() => NotificationConnection, {
    description: 'The scheduled notifications, soonest first.',
  })
  scheduledNotifications(
    @Root() user: User,
    @Arg('first', () => Int, firstArg) first: number | null,
    @Arg('after', () => String, afterSoonestArg) after?: string,
  ) {
    return scheduledPage(this.deps, user, pageRequest(first, after));
  }

  @FieldResolver(() => PageViewConnection, { description: 'The page views of the user, newest first.' })
  pageViews(
    @Root() user: User,
    @Arg('first', () => Int, firstArg) first: number | null,
    @Arg('after', () => String, afterArg) after?: string,
    @Arg('range', () => DateTimeRangeInput, {
      nullable: true,
      description: 'Only views in this time range.',
    })
    range?: DateTimeRangeInput,
  ) {
    return pageViewPage(this.deps.pageViewReads, user, pageRequest(first, after), range ?? undefined);
  }

  @FieldResolver(() => UserStatsType, {
    description: 'The stats of the user in a time window.',
  })
  stats(
    @Root() user: User,
    @Arg('window', () => StatsWindowInput, {
      nullable: true,
      description:
        "The window. Defaults to the last seven calendar days, including today, in the user's time zone.",
    })
    window: StatsWindowInput | undefined,
    @Ctx() context: Context,
  ) {
    return sharedStats(context, this.deps.pageViewReads, user, window ?? undefined);
  }

  @Mutation(() => UpsertUsersPayload, {
    description:
      'Creates or changes up to 500 users. Either all users are written or none. Requires a service or admin token.',
  })
  async upsertUsers(
    @Arg('input', () => UpsertUsersInput) { users }: UpsertUsersInput,
    @Ctx() { caller }: Context,
  ) {
    const problems = upsertProblems(users);
    if (problems.length > 0) return { createdCount: 0, updatedCount: 0, userErrors: userErrorsOf(problems) };
    const upserted = await this.deps.act.upsertUsers(
      users.map(({ userId, patch }) => ({
        tenantId: caller.tenantId,
        userId,
        patch: { ...patch } satisfies UserPatch,
      })),
    );
    return upsertAnswer(upserted);
  }
}

/** The answer of a mutation that creates and changes users. */
export function upsertAnswer({ created, problems }: Awaited<ReturnType<Act['upsertUsers']>>) {
  const createdCount = created.filter(Boolean).length;
  return { createdCount, updatedCount: created.length - createdCount, userErrors: userErrorsOf(problems) };
}

/** Returns the key `notifications` and the key of every collection of the tenant, sorted by name. */
async function allBadgeKeys(itemReads: ItemReads, tenantId: string): Promise<readonly string[]> {
  const collections = await itemReads.collections(tenantId, maxBadges);
  return [notificationsKey, ...collections.map(itemsKey)];
}

function upsertProblems(users: readonly UpsertUserInput[]): readonly Problem[] {
  const path = ['input', 'users'];
  const problem = countProblem('users', users.length);
  if (problem) return [problem];
  const seen = new Set<string>();
  return users.flatMap(({ userId }, index): readonly Problem[] => {
    const at = [...path, String(index), 'userId'];
    const parsed = name.safeParse(userId);
    if (!parsed.success) return problemsOf(parsed.error, at);
    if (seen.has(userId))
      return [{ code: 'INVALID_INPUT', message: 'Duplicate userId in this request.', path: at }];
    seen.add(userId);
    return [];
  });
}

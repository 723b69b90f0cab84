import { Arg, Ctx, Field, ID, InputType, Int, Mutation, ObjectType, Query, Resolver } from 'type-graphql';
import type { Problem } from '../domain/problem.ts';
import type { User } from '../domain/user.ts';
import { name } from '../events/text.ts';
import type { Act } from '../flow/act/act.ts';
import type { UserReads } from '../flow/read/users.ts';
import { createConnection, decodeCursor, encodeCursor, firstArg, pageOf, pageRequest } from './connection.ts';
import { type Context, targetUser } from './engine/context.ts';
import { MutationPayload, type UserError, userErrorsOf } from './payload.ts';
import { UpsertUsersPayload, UserPatchInput, UserType, upsertAnswer, userNode } from './user.ts';

/** The maximum number of users in one call of `importUserRange`. */
const maxRange = 10_000;

const UserConnection = createConnection('User', {
  node: UserType,
  description: 'A page of the users of the tenant, sorted by user id. Ids are text, so 10 comes before 9.',
  edge: { description: 'A user with a cursor.', cursor: 'The cursor of this user, for `after`.' },
  totalCount: 'The number of all users of the tenant. Counted only if selected.',
});

@InputType({ description: 'A range of users whose ids are consecutive numbers, and the changes to them.' })
class ImportUserRangeInput {
  @Field(() => Int, { description: 'The first id, 0 or more.' })
  fromId!: number;

  @Field(() => Int, { description: 'The number after the last id, greater than `fromId` by 1 to 10 000.' })
  toIdExclusive!: number;

  @Field(() => UserPatchInput, { description: 'The changes to each user.' })
  patch!: UserPatchInput;
}

@ObjectType({ implements: MutationPayload, simpleResolvers: true, description: 'The erased user.' })
class EraseUserPayload implements MutationPayload {
  @Field(() => ID, { nullable: true, description: 'Null if there are errors.' })
  erasedUserId!: string | null;

  userErrors!: readonly UserError[];
}

const isPlace = ([userId, ...rest]: readonly string[]) => rest.length === 0 && name.safeParse(userId).success;

@Resolver()
export class UsersResolver {
  constructor(private readonly deps: { readonly act: Act; readonly userReads: UserReads }) {}

  @Query(() => UserConnection, { description: 'The users of the tenant. Requires a service or admin token.' })
  async users(
    @Ctx() { caller: { tenantId } }: Context,
    @Arg('first', () => Int, firstArg)
    first: number | null,
    @Arg('after', () => String, {
      nullable: true,
      description:
        'The cursor of the last entry of the previous page. If absent, the page begins with the first entry.',
    })
    after?: string,
  ) {
    const { userReads } = this.deps;
    const page = pageRequest(first, after);
    const owner = { tenantId };
    const [place] = page.after === undefined ? [] : decodeCursor(page.after, 'users', owner, isPlace);
    const rows = await userReads.list(tenantId, { first: page.first, after: place });
    const cursorOf = ({ userId }: User) => encodeCursor('users', owner, [userId]);
    return {
      ...pageOf(rows, page, { cursorOf, nodeOf: userNode }),
      totalCount: () => userReads.count(tenantId),
    };
  }

  @Mutation(() => UpsertUsersPayload, {
    description:
      'Creates or changes the users with the ids `fromId` to `toIdExclusive - 1`, written as text. At most 10 000 users. Either all users are written or none. A repeated call changes nothing. Requires a service or admin token.',
  })
  async importUserRange(
    @Arg('input', () => ImportUserRangeInput) { fromId, toIdExclusive, patch }: ImportUserRangeInput,
    @Ctx() { caller: { tenantId } }: Context,
  ) {
    const problem = rangeProblem(fromId, toIdExclusive);
    if (problem) return { createdCount: 0, updatedCount: 0, userErrors: userErrorsOf([problem]) };
    const upserted = await this.deps.act.upsertUsers(
      Array.from({ length: toIdExclusive - fromId }, (_, index) => ({
        tenantId,
        userId: String(fromId + index),
        patch: { ...patch },
      })),
    );
    return upsertAnswer(upserted);
  }

  @Mutation(() => EraseUserPayload, {
    description:
      "Erases a user and everything about the user: page views, inbox, notifications, preferences, waiting records, dead letters, and the user's records in the log if the log is a table. Clients that watch a badge of the user receive 0. Later events, and later requests with a token that is still valid, create the user again. Requires an admin token.",
  })
  async eraseUser(
    @Arg('userId', () => ID, { description: "The tenant's id of the user." }) userId: string,
    @Ctx() context: Context,
  ) {
    const problem = await this.deps.act.eraseUser(targetUser(context, userId));
    return problem
      ? { erasedUserId: null, userErrors: userErrorsOf([problem]) }
      : { erasedUserId: userId, userErrors: [] };
  }
}

function rangeProblem(fromId: number, toIdExclusive: number): Problem | undefined {
  if (fromId < 0) {
    return { code: 'INVALID_INPUT', message: 'fromId must be 0 or more.', path: ['input', 'fromId'] };
  }
  const path = ['input', 'toIdExclusive'];
  if (toIdExclusive <= fromId) {
    return { code: 'INVALID_INPUT', message: 'toIdExclusive must be greater than fromId.', path };
  }
  if (toIdExclusive - fromId > maxRange) {
    const message = `toIdExclusive must be at most fromId + ${maxRange}. Import a longer range in several calls.`;
    return { code: 'TOO_MANY_ITEMS', message, path };
  }
  return undefined;
}

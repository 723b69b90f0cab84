import { Arg, FieldResolver, ID, Resolver, Root } from 'type-graphql';
import type { User } from '../domain/user.ts';
import { name } from '../events/text.ts';
import type { Read } from '../flow/read/read.ts';
import type { Clock } from '../ports/clock.ts';
import { UserLimitType } from './limit.ts';
import { filterOf, UserLimitFilter } from './limit-filter.ts';
import { LimitNode } from './limit-node.ts';
import { type UserNode, UserType } from './user.ts';

@Resolver(() => UserType)
export class UserLimitsResolver {
  constructor(private readonly deps: { readonly read: Read; readonly clock: Clock }) {}

  @FieldResolver(() => [UserLimitType], {
    description:
      'The limits of the user, sorted by id, at most 500. If the user has more limits, use a filter. The field costs as much as 50 objects.',
  })
  async limits(
    @Root() user: UserNode,
    @Arg('filter', () => UserLimitFilter, {
      nullable: true,
      description: 'Restricts the list. Defaults to all limits.',
    })
    filter?: UserLimitFilter,
  ) {
    const now = this.deps.clock.now();
    const limits = user.preloadedLimits ?? (await this.deps.read.limits(user, filterOf(filter, now)));
    return limits.map((limit) => new LimitNode(limit, now));
  }

  @FieldResolver(() => UserLimitType, {
    nullable: true,
    description: 'One limit of the user. Null if the user has no limit with this id.',
  })
  async limit(
    @Root() user: User,
    @Arg('userLimitId', () => ID, { description: "The caller's id of the limit." })
    userLimitId: string,
  ) {
    if (!name.safeParse(userLimitId).success) return null;
    const [limit] = await this.deps.read.limits(user, { userLimitId });
    return limit ? new LimitNode(limit, this.deps.clock.now()) : null;
  }
}

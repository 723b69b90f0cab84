import {
  Arg,
  Field,
  FieldResolver,
  Float,
  ID,
  Int,
  ObjectType,
  Resolver,
  Root,
  Subscription,
} from 'type-graphql';
import type { LimitKey, LimitRecord, ShownLimit } from '../domain/limit.ts';
import { name } from '../events/text.ts';
import type { Read } from '../flow/read/read.ts';
import type { LimitWatch } from '../flow/watch/watch-limits.ts';
import type { Clock } from '../ports/clock.ts';
import { Computed } from './computed.ts';
import { createConnection, decodeCursor, encodeCursor, firstArg, pageOf, pageRequest } from './connection.ts';
import { type Context, targetUser } from './engine/context.ts';
import { LimitPeriod, LimitStatus, LimitType, LimitUnit } from './limit-enum.ts';
import { LimitNode } from './limit-node.ts';
import { Node } from './node-interface.ts';
import { BigIntScalar, DateTime, Decimal, JSONObject } from './scalars.ts';

@ObjectType('UserLimit', {
  implements: Node,
  simpleResolvers: true,
  description:
    'A limit on an amount that a user may use, and the amount that the user has used. Amounts are exact. Events may arrive in any order and more than once, because only the events with the highest sequence numbers decide.',
})
export class UserLimitType implements Node {
  id!: string;

  @Field(() => ID, { description: "The caller's id of the limit." })
  userLimitId!: string;

  @Field(() => String, { description: 'The brand of the limit within the tenant.' })
  brandId!: string;

  @Field(() => LimitType, { description: 'The type of the limit.' })
  type!: LimitType;

  @Field(() => LimitPeriod, { description: 'The period after which the limit resets.' })
  period!: LimitPeriod;

  @Field(() => LimitStatus, { description: 'Whether the limit applies now.' })
  status!: LimitStatus;

  @Field(() => LimitUnit, { description: 'SECONDS for a SESSION limit, MONEY for all other limits.' })
  unit!: LimitUnit;

  @Field(() => String, {
    nullable: true,
    description: 'The currency of the amounts. Null if no event contains a currency.',
  })
  currencyCode!: string | null;

  @Field(() => Decimal, {
    nullable: true,
    description:
      'The value of the limit. Null only while the limit is partial and no reset has given the value.',
  })
  value!: string | null;

  @Field(() => Decimal, {
    nullable: true,
    description: 'The value before the redefinition. Null if the limit was never redefined.',
  })
  previousLimitValue!: string | null;

  @Field(() => Decimal, { description: 'The progress since the last reset. Never negative.' })
  progress!: string;

  @Field(() => Decimal, {
    nullable: true,
    description:
      'Value minus progress. Negative if more than the value is used. Null while the value is unknown.',
  })
  remaining!: string | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'The progress in percent of the value, to four decimals. Above 100 if more than the value is used, and 100 if the value is 0. Null while the value is unknown.',
  })
  percentUsed!: number | null;

  @Field(() => DateTime, { nullable: true, description: 'When the limit begins to apply.' })
  activeFrom!: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'When the limit ends. Null if no end is planned.' })
  activeUntil!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description:
      "The time of the next reset, as the latest event gives it. Otherwise, the end of the period in the user's time zone. Null if the limit does not reset.",
  })
  nextResetAt!: Date | null;

  @Field(() => Boolean, {
    description:
      'Whether `nextResetAt` has passed without a reset event. Always false if the status is CANCELED. Subscriptions send no update when the value becomes true, because no event happens at `nextResetAt`.',
  })
  resetOverdue!: boolean;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'When the limit will be used up at the pace since the last reset, or since the start of the limit if it was never reset. In the past if the limit is already used up. Null if the limit lasts until `nextResetAt`, if nothing is used, if the value or the start is unknown, or if the status is FUTURE or CANCELED.',
  })
  projectedExhaustionAt!: Date | null;

  @Field(() => Boolean, {
    description:
      'Whether Unseen has received only progress or reset events, and no event that creates the limit.',
  })
  partial!: boolean;

  @Field(() => BigIntScalar, { description: 'The sequence number of the last applied event.' })
  sequenceNumber!: bigint;
}

@ObjectType({ simpleResolvers: true, description: 'An event of a limit.' })
class UserLimitEvent {
  @Field(() => ID, { description: "The producer's id of the event." })
  eventId!: string;

  @Field(() => String, {
    description: 'USER_LIMIT_CREATED, USER_LIMIT_PROGRESS_CHANGED or USER_LIMIT_RESET.',
  })
  type!: string;

  @Field(() => BigIntScalar, {
    description: 'The number that orders the events of the limit. Gaps are normal.',
  })
  sequenceNumber!: bigint;

  @Field(() => DateTime, { description: 'When the event happened.' })
  occurredAt!: Date;

  @Field(() => Decimal, {
    description: 'The progress after the event, computed from this event and earlier events.',
  })
  progressAfter!: string;

  @Field(() => JSONObject, { description: 'The event exactly as its producer wrote it.' })
  @Computed()
  raw!: Readonly<Record<string, unknown>>;
}

const UserLimitEventConnection = createConnection('UserLimitEvent', {
  node: UserLimitEvent,
  description: 'A page of the history of a limit, highest sequence number first.',
  edge: { description: 'An event of a limit with its cursor.' },
  edges: 'The events with their cursors.',
  hasNodes: false,
});

const isPlace = ([limitId, sequence, ...event]: readonly string[]) =>
  event.length === 2 &&
  /^\d{1,18}$/.test(sequence ?? '') &&
  [limitId, ...event].every((part) => name.safeParse(part).success);

@Resolver(() => UserLimitType)
export class UserLimitResolver {
  constructor(
    private readonly deps: {
      readonly read: Read;
      readonly clock: Clock;
      readonly limitWatch: LimitWatch;
    },
  ) {}

  @FieldResolver(() => UserLimitEventConnection, {
    description:
      'The events of the limit, highest sequence number first. The history includes events that arrived too late to change the limit.',
  })
  async history(
    @Root() { tenantId, userId, userLimitId }: LimitKey,
    @Arg('first', () => Int, firstArg)
    first: number | null,
    @Arg('after', () => String, {
      nullable: true,
      description:
        'The cursor of the last event of the previous page. If absent, the page begins with the newest event.',
    })
    after?: string,
  ) {
    const page = pageRequest(first, after);
    const key = { tenantId, userId, userLimitId };
    const ofThis = (place: readonly string[]) => isPlace(place) && place[0] === userLimitId;
    const [, sequence, source = '', eventId = ''] =
      page.after === undefined ? [] : decodeCursor(page.after, 'history', key, ofThis);
    const rows = await this.deps.read.limitHistory({
      ...key,
      first: page.first,
      before: sequence === undefined ? undefined : { sequence: BigInt(sequence), source, eventId },
    });
    const cursorOf = (row: LimitRecord) =>
      encodeCursor('history', row, [row.userLimitId, String(row.sequence), row.source, row.eventId]);
    const nodeOf = ({ sequence: sequenceNumber, ...event }: LimitRecord) => ({
      ...event,
      sequenceNumber,
      raw: () => JSON.parse(event.raw),
    });
    return pageOf(rows, page, { cursorOf, nodeOf });
  }

  @Subscription(() => UserLimitType, {
    description:
      'Sends the first 500 limits of the user, sorted by id and read after the subscription is live. Then the subscription sends every limit that changes. Every update has the full state of a limit. Intermediate states may be skipped. After a reconnect the subscription sends the limits again, so the client misses no change. Limits beyond the first 500 are sent only when they change. Read these limits with `limits` and a filter.',
    subscribe: ({ args, context }: { args: { userId?: string }; context: Context }) =>
      context.container.get(UserLimitResolver).watchLimits(args, context),
  })
  userLimitChanged(
    @Root() limit: ShownLimit,
    @Arg('userId', () => ID, {
      nullable: true,
      description:
        'The user to act for. Defaults to the caller. Acting for another user requires a service or admin token.',
    })
    _userId?: string,
  ) {
    return new LimitNode(limit, this.deps.clock.now());
  }

  private watchLimits({ userId }: { userId?: string }, context: Context) {
    return this.deps.limitWatch.limits(targetUser(context, userId));
  }
}

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
    'How much of something a user may use, and how much is used. Amounts are exact. Its events may come in any order and any number of times: what the latest ones say holds.',
})
export class UserLimitType implements Node {
  id!: string;

  @Field(() => ID, { description: "The caller's own name for the limit." })
  userLimitId!: string;

  @Field(() => String, { description: 'Whose limit it is, among the brands of the tenant.' })
  brandId!: string;

  @Field(() => LimitType, { description: 'What it limits.' })
  type!: LimitType;

  @Field(() => LimitPeriod, { description: 'How long it goes on before it starts anew.' })
  period!: LimitPeriod;

  @Field(() => LimitStatus, { description: 'Whether it holds now.' })
  status!: LimitStatus;

  @Field(() => LimitUnit, { description: 'SECONDS for SESSION limits, MONEY for all others.' })
  unit!: LimitUnit;

  @Field(() => String, { nullable: true, description: 'Of the amounts; null when no event says it.' })
  currencyCode!: string | null;

  @Field(() => Decimal, {
    nullable: true,
    description:
      'How much may be used. Null only while partial: no definition has been seen and no reset that tells it.',
  })
  value!: string | null;

  @Field(() => Decimal, {
    nullable: true,
    description: 'The value before the limit was defined anew; null when it was not.',
  })
  previousLimitValue!: string | null;

  @Field(() => Decimal, { description: 'How much is used since the last reset; never negative.' })
  progress!: string;

  @Field(() => Decimal, {
    nullable: true,
    description: 'value − progress: negative when more than all is used; null while the value is unknown.',
  })
  remaining!: string | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'progress in percent of value, to four decimals, above 100 when more than all is used; 100 of a value of 0. Null while the value is unknown.',
  })
  percentUsed!: number | null;

  @Field(() => DateTime, { nullable: true, description: 'When it begins, or began, to hold.' })
  activeFrom!: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'When it ends; null: not planned.' })
  activeUntil!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description:
      "When it starts anew: as the latest event says, else by the period in the user's time zone; null when it does not.",
  })
  nextResetAt!: Date | null;

  @Field(() => Boolean, {
    description:
      '`nextResetAt` has passed and no reset has been seen; always false when CANCELED. Nothing is pushed when it becomes true: that is at `nextResetAt`.',
  })
  resetOverdue!: boolean;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'When it runs out at the pace since the last reset, or since it began; in the past when it has. Null when that is not before `nextResetAt`, when nothing is used, while the value or the beginning is unknown, and when FUTURE or CANCELED.',
  })
  projectedExhaustionAt!: Date | null;

  @Field(() => Boolean, { description: 'Known only from progress or reset events so far.' })
  partial!: boolean;

  @Field(() => BigIntScalar, { description: 'Sequence number of the last event applied.' })
  sequenceNumber!: bigint;
}

@ObjectType({ simpleResolvers: true, description: 'An event of a limit, as it came.' })
class UserLimitEvent {
  @Field(() => ID, { description: "Its producer's name for it." })
  eventId!: string;

  @Field(() => String, {
    description: 'USER_LIMIT_CREATED, USER_LIMIT_PROGRESS_CHANGED or USER_LIMIT_RESET.',
  })
  type!: string;

  @Field(() => BigIntScalar, { description: 'Its place among the events of the limit; gaps are normal.' })
  sequenceNumber!: bigint;

  @Field(() => DateTime, { description: 'When it happened.' })
  occurredAt!: Date;

  @Field(() => Decimal, {
    description: 'What was used after it, as far as it and the events before it say.',
  })
  progressAfter!: string;

  @Field(() => JSONObject, { description: 'The event in the words of its producer.' })
  @Computed()
  raw!: Readonly<Record<string, unknown>>;
}

const UserLimitEventConnection = createConnection('UserLimitEvent', {
  node: UserLimitEvent,
  description: 'A page of the history of a limit, by sequence number, the latest first.',
  edge: { description: 'An event of a limit and its place in the history.' },
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
    description: 'Its events, the latest first, also those that came too late to count.',
  })
  async history(
    @Root() { tenantId, userId, userLimitId }: LimitKey,
    @Arg('first', () => Int, firstArg)
    first: number | null,
    @Arg('after', () => String, {
      nullable: true,
      description: 'Cursor of the event before the page; absent: from the latest.',
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
      'First the limits of the user by their ids, at most 500, read after the subscription is live; then each that changes, as a whole (intermediate states may be skipped). After a reconnect it begins with them again, so nothing is missed. Those beyond 500 come only when they change: read them by `limits` with a filter.',
    subscribe: ({ args, context }: { args: { userId?: string }; context: Context }) =>
      context.container.get(UserLimitResolver).watchLimits(args, context),
  })
  userLimitChanged(
    @Root() limit: ShownLimit,
    @Arg('userId', () => ID, {
      nullable: true,
      description: 'Default: the caller. Another needs a service or admin token.',
    })
    _userId?: string,
  ) {
    return new LimitNode(limit, this.deps.clock.now());
  }

  private watchLimits({ userId }: { userId?: string }, context: Context) {
    return this.deps.limitWatch.limits(targetUser(context, userId));
  }
}

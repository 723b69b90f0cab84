import type { GraphQLResolveInfo } from 'graphql';
import {
  Arg,
  Ctx,
  Field,
  Info,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
  Subscription,
} from 'type-graphql';
import type { TypedBucket } from '../domain/activity.ts';
import type { Measure } from '../flow/read/measure.ts';
import type { WatchActivity } from '../flow/watch/watch-activity.ts';
import { DateTimeRangeInput } from './date-time-range.ts';
import type { Context } from './engine/context.ts';
import { selects } from './engine/lookahead.ts';
import { DateTime, TimeZone } from './scalars.ts';

enum Granularity {
  MINUTE = 'MINUTE',
  HOUR = 'HOUR',
  DAY = 'DAY',
}
registerEnumType(Granularity, {
  name: 'Granularity',
  description: 'How long buckets are.',
  valuesConfig: {
    MINUTE: { description: '60 s.' },
    HOUR: { description: 'Counted from the start of the day, so that the hours of a day add up to it.' },
    DAY: { description: 'Calendar days of the time zone: 23 or 25 hours long when clocks change.' },
  },
});

@ObjectType({ simpleResolvers: true, description: 'How often there was activity of one type.' })
class TypeCount {
  @Field(() => String, { description: '`page_view`, or as it was recorded.' })
  activityType!: string;

  @Field(() => Int, { description: 'Events.' })
  count!: number;
}

@ObjectType('ActivityBucket', {
  simpleResolvers: true,
  description:
    'What the users of the tenant did in a stretch of time, `[start, end)`, by when it happened. Exact for what was counted; workers count within `FLUSH_INTERVAL_SEC` (30 s).',
})
class ActivityBucketType {
  @Field(() => DateTime, { description: 'Included.' })
  start!: Date;

  @Field(() => DateTime, { description: 'Not included.' })
  end!: Date;

  @Field(() => Int, { description: 'Different users with activity of any type.' })
  uniqueUsers!: number;

  @Field(() => Int, { description: 'Page views.' })
  pageViewCount!: number;

  @Field(() => [TypeCount], {
    description:
      'Events per type, page views included, most first, ties by name; at most 50 types. Read when selected.',
  })
  byType!: TypeCount[];

  @Field(() => Boolean, {
    description:
      'The bucket has ended and nothing was added for two flush intervals (60 s). An event that comes later still counts: it opens the bucket again.',
  })
  final!: boolean;
}

@Resolver()
export class ActivityResolver {
  constructor(private readonly deps: { readonly measure: Measure; readonly watchActivity: WatchActivity }) {}

  @Query(() => [ActivityBucketType], {
    description:
      'Site-wide activity per time bucket, exact, however many workers counted it: every bucket that the range touches, whole, oldest first, empty ones included; at most 1500. Service and admin tokens only.',
  })
  async activityMetrics(
    @Ctx() { caller: { tenantId } }: Context,
    @Arg('range', () => DateTimeRangeInput, {
      description: 'From the retention (183 days by default) ago on; `to` is now by default.',
    })
    { from, to }: DateTimeRangeInput,
    @Arg('granularity', () => Granularity, {
      defaultValue: Granularity.HOUR,
      description: 'How long buckets are.',
    })
    granularity: Granularity,
    @Arg('timeZone', () => TimeZone, {
      nullable: true,
      defaultValue: 'UTC',
      description: 'Where days, and with them hours, begin.',
    })
    timeZone: string | null,
    @Info() info: GraphQLResolveInfo,
  ) {
    const range = { from, to: to ?? undefined };
    // Read at once and not per bucket: hundreds of promises cost more than what they are for.
    const withTypes = selects(info, 'byType');
    return this.deps.measure.buckets(tenantId, range, granularity, timeZone ?? 'UTC', {
      withTypes,
    });
  }

  @Subscription(() => ActivityBucketType, {
    description:
      'First the bucket of this moment, then each bucket that changed, whole, in UTC; intermediate states may be skipped. Late events bring old buckets. Service and admin tokens only.',
    subscribe: ({ args, context }: { args: { granularity: Granularity }; context: Context }) =>
      context.container
        .get(ActivityResolver)
        .deps.watchActivity.buckets(context.caller.tenantId, args.granularity),
  })
  activityMetricsChanged(
    @Root() bucket: TypedBucket,
    @Arg('granularity', () => Granularity, {
      defaultValue: Granularity.MINUTE,
      description: 'Which buckets.',
    })
    _granularity: Granularity,
  ) {
    return this.deps.measure.bucket(bucket);
  }
}

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
  description: 'The length of the buckets.',
  valuesConfig: {
    MINUTE: { description: 'Minutes of 60 s.' },
    HOUR: {
      description:
        'Hours counted from the start of the day. The counts of all hours of a day add up to the counts of the day.',
    },
    DAY: {
      description: 'Calendar days of the time zone. A day on which the clocks change has 23 or 25 hours.',
    },
  },
});

@ObjectType({ simpleResolvers: true, description: 'The number of events of one type.' })
class TypeCount {
  @Field(() => String, { description: 'The type: `page_view`, or the recorded type.' })
  activityType!: string;

  @Field(() => Int, { description: 'The number of events.' })
  count!: number;
}

@ObjectType('ActivityBucket', {
  simpleResolvers: true,
  description:
    'The activity of all users of the tenant between `start` and `end`. An event belongs to the bucket of the time when it happened. The counts are exact. The counts include a new event after at most `FLUSH_INTERVAL_SEC` (30 s).',
})
class ActivityBucketType {
  @Field(() => DateTime, { description: 'The inclusive start.' })
  start!: Date;

  @Field(() => DateTime, { description: 'The exclusive end.' })
  end!: Date;

  @Field(() => Int, { description: 'The number of distinct users with activity of any type.' })
  uniqueUsers!: number;

  @Field(() => Int, { description: 'The number of page views.' })
  pageViewCount!: number;

  @Field(() => [TypeCount], {
    description:
      'The number of events per type, including page views. The most frequent type comes first. Types with equal numbers are sorted by name. At most 50 types. Computed only if selected.',
  })
  byType!: TypeCount[];

  @Field(() => Boolean, {
    description:
      'Whether the bucket has ended and has not changed for two flush intervals (60 s). A later event still counts, and `final` is then false for another two flush intervals.',
  })
  final!: boolean;
}

@Resolver()
export class ActivityResolver {
  constructor(private readonly deps: { readonly measure: Measure; readonly watchActivity: WatchActivity }) {}

  @Query(() => [ActivityBucketType], {
    description:
      'The activity of all users of the tenant per time bucket. Returns every bucket that overlaps the range, oldest first, including empty buckets. At most 1500 buckets. The counts are exact with any number of workers. Requires a service or admin token.',
  })
  async activityMetrics(
    @Ctx() { caller: { tenantId } }: Context,
    @Arg('range', () => DateTimeRangeInput, {
      description:
        'The time range. `from` is at most the retention (183 days by default) in the past. `to` defaults to now.',
    })
    { from, to }: DateTimeRangeInput,
    @Arg('granularity', () => Granularity, {
      defaultValue: Granularity.HOUR,
      description: 'The length of the buckets.',
    })
    granularity: Granularity,
    @Arg('timeZone', () => TimeZone, {
      nullable: true,
      defaultValue: 'UTC',
      description: 'The time zone of the days and hours.',
    })
    timeZone: string | null,
    @Info() info: GraphQLResolveInfo,
  ) {
    const range = { from, to: to ?? undefined };
    // One query reads the types of all buckets. A resolver per bucket would create hundreds of promises,
    // which cost more than the query.
    const withTypes = selects(info, 'byType');
    return this.deps.measure.buckets(tenantId, range, granularity, timeZone ?? 'UTC', {
      withTypes,
    });
  }

  @Subscription(() => ActivityBucketType, {
    description:
      'Sends the current bucket first, then every bucket that changes. Every update has the full counts of a bucket in UTC. Intermediate states may be skipped. Late events change old buckets. Requires a service or admin token.',
    subscribe: ({ args, context }: { args: { granularity: Granularity }; context: Context }) =>
      context.container
        .get(ActivityResolver)
        .deps.watchActivity.buckets(context.caller.tenantId, args.granularity),
  })
  activityMetricsChanged(
    @Root() bucket: TypedBucket,
    @Arg('granularity', () => Granularity, {
      defaultValue: Granularity.MINUTE,
      description: 'The length of the buckets to watch.',
    })
    _granularity: Granularity,
  ) {
    return this.deps.measure.bucket(bucket);
  }
}

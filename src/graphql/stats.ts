import {
  Arg,
  Field,
  FieldResolver,
  InputType,
  Int,
  ObjectType,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import { AppError } from '../domain/error.ts';
import type { UserStats } from '../domain/stats.ts';
import type { User } from '../domain/user.ts';
import type { PageViewReads, WindowStats } from '../flow/read/page-views.ts';
import type { Context } from './engine/context.ts';
import { DateTime, LocalDate, TimeZone } from './scalars.ts';

enum WindowMode {
  CALENDAR = 'CALENDAR',
  ROLLING = 'ROLLING',
}
registerEnumType(WindowMode, {
  name: 'WindowMode',
  description: 'Where a window of N days begins.',
  valuesConfig: {
    CALENDAR: {
      description:
        'At the start of the calendar day N-1 days back, in the time zone. Today is the last day and is not over.',
    },
    ROLLING: { description: 'Exactly N × 24 hours back.' },
  },
});

@InputType({ description: 'The time window of the stats.' })
export class StatsWindowInput {
  @Field(() => Int, {
    defaultValue: 7,
    description: 'The number of days, 1 to the retention (183 by default).',
  })
  days!: number;

  @Field(() => WindowMode, { defaultValue: WindowMode.CALENDAR, description: 'Where the window begins.' })
  mode!: WindowMode;

  @Field(() => TimeZone, {
    nullable: true,
    description: "The time zone of the days. Defaults to the user's time zone.",
  })
  timeZone?: string | null;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'The exclusive end of the window, from the retention ago to 5 minutes in the future. Defaults to now.',
  })
  asOf?: Date | null;
}

@ObjectType({ simpleResolvers: true, description: 'The views of one page.' })
class PageStat {
  @Field(() => String, { description: 'The name of the page.' })
  name!: string;

  @Field(() => Int, { description: 'The number of views.' })
  views!: number;

  @Field(() => DateTime, { description: 'The last view in the window.' })
  lastViewedAt!: Date;
}

@ObjectType({ simpleResolvers: true, description: 'One calendar day of a window.' })
class DayStat {
  @Field(() => LocalDate, { description: "The day, in the window's time zone." })
  date!: string;

  @Field(() => Int, { description: 'The number of views on that day and in the window.' })
  pageViewCount!: number;

  @Field(() => Int, {
    description:
      'The time on site in whole seconds, rounded down. A gap between two views counts on the day of the earlier view. Apart from rounding, the days add up to the total.',
  })
  timeOnSiteSeconds!: number;
}

@ObjectType('UserStats', {
  simpleResolvers: true,
  description: 'The stats of a user in a window, computed from the page views.',
})
export class UserStatsType {
  @Field(() => DateTime, { description: 'The inclusive start.' })
  windowStart!: Date;

  @Field(() => DateTime, { description: 'The exclusive end.' })
  windowEnd!: Date;

  @Field(() => TimeZone, { description: 'The time zone of the days.' })
  timeZone!: string;

  @Field(() => Int, { description: 'The number of views, not of distinct pages.' })
  pageViewCount!: number;

  @Field(() => Int, { description: 'The number of distinct page names.' })
  uniquePageCount!: number;

  @Field(() => Int, {
    description:
      'The sum of the gaps between consecutive views that are at most 30 minutes apart, in whole seconds, rounded down. The last view of a session adds 0.',
  })
  timeOnSiteSeconds!: number;

  @Field(() => Int, {
    description: 'The number of sessions. A session is a run of views at most 30 minutes apart.',
  })
  sessionCount!: number;

  @Field(() => Int, { description: 'The number of calendar days with at least one view.' })
  activeDayCount!: number;

  @Field(() => [DayStat], {
    description: 'One entry per calendar day of the window, oldest first, including days without views.',
  })
  byDay!: DayStat[];
}

/** The running computations of each request, by user and window. */
const computing = new WeakMap<Context, Map<string, Promise<WindowStats>>>();

/** The stats of a user. Fields of one request that select the same stats at the same time share one query. */
export function sharedStats(
  context: Context,
  pageViewReads: PageViewReads,
  user: User,
  input: StatsWindowInput | undefined,
): Promise<WindowStats> {
  const ofRequest = computing.get(context) ?? new Map<string, Promise<WindowStats>>();
  computing.set(context, ofRequest);
  const key = JSON.stringify([user.userId, input]);
  const shared =
    ofRequest.get(key) ?? pageViewReads.stats(user, input ?? {}).finally(() => ofRequest.delete(key));
  ofRequest.set(key, shared);
  return shared;
}

@Resolver(() => UserStatsType)
export class UserStatsResolver {
  @FieldResolver(() => PageStat, {
    nullable: true,
    description:
      'The page with the most views. The latest view breaks ties, then the name. Null without views.',
  })
  mostViewedPage(@Root() stats: UserStats) {
    return stats.topPages[0] ?? null;
  }

  @FieldResolver(() => [PageStat], {
    description: 'The pages by views, most viewed first. The latest view breaks ties, then the name.',
  })
  topPages(
    @Root() stats: UserStats,
    @Arg('first', () => Int, { defaultValue: 5, description: 'The number of pages, 1 to 100.' })
    first: number,
  ) {
    if (first < 1 || first > 100) throw new AppError('BAD_USER_INPUT', 'topPages.first must be 1 to 100.');
    return stats.topPages.slice(0, first);
  }
}

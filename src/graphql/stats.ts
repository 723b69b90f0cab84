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
  description: 'The start of a window of N days.',
  valuesConfig: {
    CALENDAR: {
      description:
        'The window begins at the start of a calendar day in the time zone, N-1 days before the day of `asOf`. The last day ends early, at `asOf`.',
    },
    ROLLING: { description: 'The window begins exactly N × 24 hours before `asOf`.' },
  },
});

@InputType({ description: 'The time window of the stats.' })
export class StatsWindowInput {
  @Field(() => Int, {
    defaultValue: 7,
    description: 'The number of days, 1 to the retention (183 by default).',
  })
  days!: number;

  @Field(() => WindowMode, {
    defaultValue: WindowMode.CALENDAR,
    description: 'Whether the window begins at the start of a day.',
  })
  mode!: WindowMode;

  @Field(() => TimeZone, {
    nullable: true,
    description: "The time zone of the days. Defaults to the user's time zone.",
  })
  timeZone?: string | null;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'The exclusive end of the window, at most the retention in the past and at most 5 minutes in the future. Defaults to now.',
  })
  asOf?: Date | null;
}

@ObjectType({ simpleResolvers: true, description: 'The views of one page.' })
class PageStat {
  @Field(() => String, { description: 'The name of the page.' })
  name!: string;

  @Field(() => Int, { description: 'The number of views.' })
  views!: number;

  @Field(() => DateTime, { description: 'The time of the last view in the window.' })
  lastViewedAt!: Date;
}

@ObjectType({ simpleResolvers: true, description: 'One calendar day of a window.' })
class DayStat {
  @Field(() => LocalDate, { description: "The day, in the window's time zone." })
  date!: string;

  @Field(() => Int, { description: 'The number of views of the window on this day.' })
  pageViewCount!: number;

  @Field(() => Int, {
    description:
      'The time on site in whole seconds, rounded down. The time between two views counts on the day of the earlier view. Apart from rounding, the values of all days add up to the value of the window.',
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
      'The sum of the times between consecutive views of a session, in whole seconds, rounded down. The last view of a session adds 0.',
  })
  timeOnSiteSeconds!: number;

  @Field(() => Int, {
    description:
      'The number of sessions. A session is a series of views with at most 30 minutes between two views.',
  })
  sessionCount!: number;

  @Field(() => Int, { description: 'The number of calendar days with at least one view.' })
  activeDayCount!: number;

  @Field(() => [DayStat], {
    description: 'One entry per calendar day of the window, oldest first, including days without views.',
  })
  byDay!: DayStat[];
}

/** The running computations of each request. The key of a computation is the user and the window. */
const computing = new WeakMap<Context, Map<string, Promise<WindowStats>>>();

/**
 * Reads the stats of a user. If several fields of a request select the same stats at the same time, they
 * share one query.
 */
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
      'The page with the most views. If pages have equal views, the page with the latest view comes first, then the order of names decides. Null if there are no views.',
  })
  mostViewedPage(@Root() stats: UserStats) {
    return stats.topPages[0] ?? null;
  }

  @FieldResolver(() => [PageStat], {
    description:
      'The pages with the most views, most views first. If pages have equal views, the page with the latest view comes first, then the order of names decides.',
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

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
        'At the start of the calendar day N-1 days back, in the time zone: today is the last day, still running.',
    },
    ROLLING: { description: 'Exactly N × 24 hours back.' },
  },
});

@InputType({ description: 'Which stretch of time stats are about.' })
export class StatsWindowInput {
  @Field(() => Int, { defaultValue: 7, description: '1 to the retention (183 by default).' })
  days!: number;

  @Field(() => WindowMode, { defaultValue: WindowMode.CALENDAR, description: 'Where the window begins.' })
  mode!: WindowMode;

  @Field(() => TimeZone, { nullable: true, description: "Where days begin. Default: the user's own." })
  timeZone?: string | null;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'Where the window ends, not included: from the retention ago to 5 minutes ahead. Default: now.',
  })
  asOf?: Date | null;
}

@ObjectType({ simpleResolvers: true, description: 'How often one page was looked at.' })
class PageStat {
  @Field(() => String, { description: 'The page.' })
  name!: string;

  @Field(() => Int, { description: 'How often.' })
  views!: number;

  @Field(() => DateTime, { description: 'The last time in the window.' })
  lastViewedAt!: Date;
}

@ObjectType({ simpleResolvers: true, description: 'One calendar day of a window.' })
class DayStat {
  @Field(() => LocalDate, { description: "The day, in the window's time zone." })
  date!: string;

  @Field(() => Int, { description: 'Views that day, inside the window.' })
  pageViewCount!: number;

  @Field(() => Int, {
    description:
      'Time on site, rounded down; a gap counts for the day of its earlier view, so but for the rounding the days add up to the whole.',
  })
  timeOnSiteSeconds!: number;
}

@ObjectType('UserStats', {
  simpleResolvers: true,
  description: 'What a user did in a window, from the raw page views.',
})
export class UserStatsType {
  @Field(() => DateTime, { description: 'Included.' })
  windowStart!: Date;

  @Field(() => DateTime, { description: 'Not included.' })
  windowEnd!: Date;

  @Field(() => TimeZone, { description: 'Where days begin.' })
  timeZone!: string;

  @Field(() => Int, { description: 'Views, not distinct pages.' })
  pageViewCount!: number;

  @Field(() => Int, { description: 'Distinct page names.' })
  uniquePageCount!: number;

  @Field(() => Int, {
    description:
      'Sum of the gaps between consecutive views that are at most 30 minutes apart, rounded down; the last view of a session adds 0.',
  })
  timeOnSiteSeconds!: number;

  @Field(() => Int, { description: 'Runs of views at most 30 minutes apart.' })
  sessionCount!: number;

  @Field(() => Int, { description: 'Calendar days with at least one view.' })
  activeDayCount!: number;

  @Field(() => [DayStat], {
    description: 'One per calendar day of the window, oldest first, days without views included.',
  })
  byDay!: DayStat[];
}

/** Stats that are being computed for a request, by user and window. */
const computing = new WeakMap<Context, Map<string, Promise<WindowStats>>>();

/** The stats of a user. Fields of a request that ask for the same at the same time share one query. */
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
    description: 'Most views; ties by latest view, then by name. Null without views.',
  })
  mostViewedPage(@Root() stats: UserStats) {
    return stats.topPages[0] ?? null;
  }

  @FieldResolver(() => [PageStat], {
    description: 'Pages by views, most first; ties by latest view, then by name.',
  })
  topPages(
    @Root() stats: UserStats,
    @Arg('first', () => Int, { defaultValue: 5, description: '1 to 100.' }) first: number,
  ) {
    if (first < 1 || first > 100) throw new AppError('BAD_USER_INPUT', 'topPages.first must be 1 to 100.');
    return stats.topPages.slice(0, first);
  }
}

import { AppError } from '../../domain/error.ts';
import { type PageView, timelinessOf } from '../../domain/page-view.ts';
import { type StatsWindow, type UserStats, type WindowMode, windowOf } from '../../domain/stats.ts';
import type { User, UserKey } from '../../domain/user.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PageViewRange, PageViewStore } from '../../ports/store/page-views.ts';
import { readSlice, type Slice } from './slice.ts';

type Page = Parameters<PageViewStore['pageViews']>[1];

/** The requested window of the stats. An absent field has its default. */
export interface StatsRequest {
  /** The length of the window in days, from 1 to the retention. Defaults to 7. */
  readonly days?: number | undefined;
  /** Defaults to calendar days. */
  readonly mode?: WindowMode | undefined;
  /** Defaults to the time zone of the user. */
  readonly timeZone?: string | null | undefined;
  /** The end of the window, exclusive. Defaults to now. */
  readonly asOf?: Date | null | undefined;
}

/** Stats and the window that they cover. */
export type WindowStats = UserStats & {
  readonly windowStart: Date;
  readonly windowEnd: Date;
  readonly timeZone: string;
};

/** Reads page views and the statistics that are computed from them. */
export function createPageViewReads(
  { store, clock }: { readonly store: PageViewStore; readonly clock: Clock },
  { retentionDays }: { readonly retentionDays: number },
) {
  return {
    /** Returns page views, newest first. */
    list: (user: UserKey, page: Page): Promise<Slice<PageView>> =>
      readSlice(page.first, (first) => store.pageViews(user, { ...page, first })),
    count: (user: UserKey, range: PageViewRange): Promise<number> => store.countPageViews(user, range),
    one: (
      user: UserKey,
      place: { readonly occurredAt: Date; readonly id: string },
    ): Promise<PageView | undefined> => store.pageView(user, place),
    /**
     * Computes the stats of a user. Rejects with BAD_USER_INPUT if the window is not within the retention.
     */
    async stats(user: User, request: StatsRequest): Promise<WindowStats> {
      const window = windowFor(user, request, clock.now(), retentionDays);
      const stats = await store.stats(user, window);
      return { ...stats, windowStart: window.start, windowEnd: window.end, timeZone: window.timeZone };
    },
  };
}

export type PageViewReads = ReturnType<typeof createPageViewReads>;

function windowFor(
  user: User,
  { days = 7, mode = 'CALENDAR', timeZone, asOf }: StatsRequest,
  now: Date,
  retentionDays: number,
): StatsWindow {
  const end = asOf ?? now;
  if (days < 1 || days > retentionDays) {
    throw new AppError('BAD_USER_INPUT', `window.days must be 1 to ${retentionDays}.`);
  }
  if (timelinessOf(end, now, retentionDays) !== 'kept') {
    throw new AppError(
      'BAD_USER_INPUT',
      `window.asOf must be at most ${retentionDays} days in the past and 5 minutes in the future.`,
    );
  }
  return windowOf({ days, mode, timeZone: timeZone ?? user.timeZone, asOf: end });
}

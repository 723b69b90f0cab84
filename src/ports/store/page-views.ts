import type { PageView } from '../../domain/page-view.ts';
import type { StatsWindow, UserStats } from '../../domain/stats.ts';
import type { UserKey } from '../../domain/user.ts';

/** Reads raw page views and the statistics that are computed from them. */
export interface PageViewStore {
  /**
   * Returns page views in `[from, to)` that follow `after` in the list, newest first. Ties are sorted by id,
   * descending.
   */
  pageViews(
    key: UserKey,
    page: PageViewRange & {
      readonly first: number;
      readonly after?: { readonly occurredAt: Date; readonly id: string };
    },
  ): Promise<readonly PageView[]>;
  countPageViews(key: UserKey, range: PageViewRange): Promise<number>;
  pageView(
    key: UserKey,
    place: { readonly occurredAt: Date; readonly id: string },
  ): Promise<PageView | undefined>;
  /** Computes the statistics from the raw page views of the window. `topPages` has at most 100 entries. */
  stats(key: UserKey, window: StatsWindow): Promise<UserStats>;
}

export interface PageViewTransaction {
  addPageViews(views: readonly PageView[]): Promise<void>;
}

export interface PageViewRange {
  readonly from?: Date;
  readonly to?: Date;
}

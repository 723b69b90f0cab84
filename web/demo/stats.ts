import { SiteStatsDocument, type SiteStatsQuery } from '../generated/graphql.ts';
import type { createApi } from './api.ts';
import { element } from './elements.ts';

/**
 * The delays before each refresh, in milliseconds. The server counts a page view a moment after it has
 * recorded the page view.
 */
const LOOK_AGAIN_MS = [50, 150, 400, 1_000, 2_000];

type Stats = NonNullable<SiteStatsQuery['viewer']>['stats'];

/** Creates the line with the statistics of the user. */
export function createStats(api: ReturnType<typeof createApi>) {
  const line = element('stats', HTMLParagraphElement);
  let shown = 0;

  async function refresh(): Promise<number> {
    const { viewer } = await api.request(SiteStatsDocument, {});
    if (viewer === null) return shown;
    shown = viewer.stats.pageViewCount;
    line.textContent = inWords(viewer.stats);
    return shown;
  }

  return {
    refresh,
    /**
     * Refreshes until the number of page views has grown. Stops after the last delay, because the worker is
     * then too slow to wait for.
     */
    async refreshUntilCounted(): Promise<void> {
      const before = shown;
      for (const delayMs of LOOK_AGAIN_MS) {
        await new Promise((resolve) => setTimeout(resolve, delayMs));
        if ((await refresh()) > before) return;
      }
    },
  };
}

function inWords({ pageViewCount, timeOnSiteSeconds, mostViewedPage }: Stats): string {
  if (pageViewCount === 0) return 'No page viewed in the last seven days.';
  const views = pageViewCount === 1 ? '1 page viewed' : `${pageViewCount} pages viewed`;
  const most = mostViewedPage === null ? '' : `, most often ${mostViewedPage.name}`;
  return `Last seven days: ${views}${most}, ${duration(timeOnSiteSeconds)} on site.`;
}

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}

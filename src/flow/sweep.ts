import { defaultViewHorizonDays, horizonAt } from '../domain/item.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { Logger } from '../ports/logger.ts';
import type { Store } from '../ports/store.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/**
 * Keeps house, hourly: partitions for this month and the next are ready; log records beyond the retention, and views of
 * items that can count no more, are gone.
 */
export function createSweep(
  {
    store,
    log,
    clock,
    logger,
  }: { readonly store: Store; readonly log: EventLog; readonly clock: Clock; readonly logger: Logger },
  {
    logRetentionDays,
    viewHorizonDays = defaultViewHorizonDays,
  }: { readonly logRetentionDays: number; readonly viewHorizonDays?: number },
) {
  let timer: NodeJS.Timeout | undefined;

  async function preparePartitions(): Promise<void> {
    const now = clock.now();
    await store.preparePageViews([now, new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1))]);
  }

  async function prune(): Promise<void> {
    const pruned = await log.prune(new Date(clock.now().getTime() - logRetentionDays * dayMs));
    if (pruned > 0) logger.info({ pruned }, 'pruned the log');
  }

  /** Items that count were published within the horizon, and views count from a horizon before that; a day for clocks. */
  async function pruneViews(): Promise<void> {
    const before = horizonAt(clock.now(), 2 * viewHorizonDays + 1).start;
    let pruned = 0;
    for (let more = true; more; ) {
      const count = await store.pruneItemViews(before);
      pruned += count;
      more = count > 0;
    }
    if (pruned > 0) logger.info({ pruned }, 'pruned views of items');
  }

  const attempt = (task: () => Promise<void>) =>
    task().catch((err) => logger.warn({ err }, 'the sweep failed; the next one will catch up'));

  return {
    /** Sweeps once, then hourly. Resolves when there is room for page views; a log full of old records is not waited for. */
    async start(): Promise<void> {
      await preparePartitions();
      void attempt(prune);
      void attempt(pruneViews);
      timer = setInterval(() => {
        void attempt(preparePartitions);
        void attempt(prune);
        void attempt(pruneViews);
      }, hourMs).unref();
    },
    /** Badges that were found to differ from a recount. Nothing is recounted yet. */
    drift: () => 0,
    stop(): void {
      clearInterval(timer);
    },
  };
}

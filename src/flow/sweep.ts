import { defaultViewHorizonDays, horizonAt } from '../domain/item.ts';
import { streamWindow } from '../domain/stream.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { Logger } from '../ports/logger.ts';
import type { Store } from '../ports/store.ts';
import type { Reconcile } from './reconcile.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Inboxes that are recounted, and how often: nearly a million a day. */
const sampleSize = 100;
const sampleMs = 10_000;

/**
 * Keeps house. All the time it recounts badges drawn at random. Hourly: partitions for this month and the next are ready;
 * log records beyond the retention, views of items that can count no more, and changes of inboxes that no stream goes back
 * to, are gone.
 */
export function createSweep(
  {
    store,
    log,
    reconcile,
    clock,
    logger,
  }: {
    readonly store: Store;
    readonly log: EventLog;
    readonly reconcile: Pick<Reconcile, 'sample'>;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  {
    logRetentionDays,
    viewHorizonDays = defaultViewHorizonDays,
  }: { readonly logRetentionDays: number; readonly viewHorizonDays?: number },
) {
  let timer: NodeJS.Timeout | undefined;
  let sampling: NodeJS.Timeout | undefined;
  let isSampling = false;

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

  async function pruneChanges(): Promise<void> {
    const pruned = await store.pruneChanges(new Date(clock.now().getTime() - streamWindow.maxAgeMs));
    if (pruned > 0) logger.info({ pruned }, 'pruned the changes of inboxes');
  }

  /** One at a time, however slow the database is. */
  async function sample(): Promise<void> {
    if (isSampling) return;
    isSampling = true;
    await attempt(() => reconcile.sample(sampleSize));
    isSampling = false;
  }

  const attempt = (task: () => Promise<void>) =>
    task().catch((err) => logger.warn({ err }, 'the sweep failed; the next one will catch up'));

  return {
    /** Sweeps once, then hourly. Resolves when there is room for page views; a log full of old records is not waited for. */
    async start(): Promise<void> {
      await preparePartitions();
      void attempt(prune);
      void attempt(pruneViews);
      void attempt(pruneChanges);
      sampling = setInterval(() => void sample(), sampleMs).unref();
      timer = setInterval(() => {
        void attempt(preparePartitions);
        void attempt(prune);
        void attempt(pruneViews);
        void attempt(pruneChanges);
      }, hourMs).unref();
    },
    stop(): void {
      clearInterval(timer);
      clearInterval(sampling);
    },
  };
}

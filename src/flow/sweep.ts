import { streamWindow } from '../domain/stream.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { Logger } from '../ports/logger.ts';
import type { Store } from '../ports/store.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/**
 * Keeps house, hourly: partitions for this month and the next are ready, log records beyond the retention are gone, and so
 * are changes of inboxes that no stream goes back to.
 */
export function createSweep(
  {
    store,
    log,
    clock,
    logger,
  }: { readonly store: Store; readonly log: EventLog; readonly clock: Clock; readonly logger: Logger },
  { logRetentionDays }: { readonly logRetentionDays: number },
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

  async function pruneChanges(): Promise<void> {
    const pruned = await store.pruneChanges(new Date(clock.now().getTime() - streamWindow.maxAgeMs));
    if (pruned > 0) logger.info({ pruned }, 'pruned the changes of inboxes');
  }

  const attempt = (task: () => Promise<void>) =>
    task().catch((err) => logger.warn({ err }, 'the sweep failed; the next one will catch up'));

  return {
    /** Sweeps once, then hourly. Resolves when there is room for page views; a log full of old records is not waited for. */
    async start(): Promise<void> {
      await preparePartitions();
      void attempt(prune);
      void attempt(pruneChanges);
      timer = setInterval(() => {
        void attempt(preparePartitions);
        void attempt(prune);
        void attempt(pruneChanges);
      }, hourMs).unref();
    },
    /** Badges that were found to differ from a recount. Nothing is recounted yet. */
    drift: () => 0,
    stop(): void {
      clearInterval(timer);
    },
  };
}

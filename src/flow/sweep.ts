import type { Clock } from '../ports/clock.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { Logger } from '../ports/logger.ts';
import { type Expiring, expiring, type Store } from '../ports/store.ts';
import type { Reconcile } from './reconcile.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Inboxes that are recounted, and how often: nearly a million a day. */
const sampleSize = 100;
const sampleMs = 10_000;

/** Days for which each kind is kept; `log`: records that every group has passed. */
export type Retention = Readonly<Record<Expiring | 'log', number>>;

/** What of one kind was, or would be, removed. */
export interface Swept {
  readonly kind: Expiring;
  readonly days: number;
  readonly before: Date;
  /** Rows, and partitions of a month. */
  readonly removed: number;
}

/** Removes what is older than its retention; with `dryRun` it is counted only. */
export async function expireAll(
  { store, clock }: { readonly store: Pick<Store, 'expire'>; readonly clock: Clock },
  retention: Retention,
  { dryRun }: { readonly dryRun: boolean },
): Promise<readonly Swept[]> {
  const swept: Swept[] = [];
  for (const kind of expiring) {
    const days = retention[kind];
    const before = new Date(clock.now().getTime() - days * dayMs);
    swept.push({ kind, days, before, removed: await store.expire(kind, before, { dryRun }) });
  }
  return swept;
}

/**
 * Keeps house. All the time it recounts badges drawn at random. Hourly, partitions for this month and the next are ready,
 * and log records beyond the retention are gone; daily, whatever else is beyond its own.
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
  { retention }: { readonly retention: Retention },
) {
  const timers: NodeJS.Timeout[] = [];
  let isSampling = false;

  async function preparePartitions(): Promise<void> {
    const now = clock.now();
    await store.preparePageViews([now, new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1))]);
  }

  async function prune(): Promise<void> {
    const pruned = await log.prune(new Date(clock.now().getTime() - retention.log * dayMs));
    if (pruned > 0) logger.info({ pruned }, 'pruned the log');
  }

  async function expire(): Promise<void> {
    const swept = await expireAll({ store, clock }, retention, { dryRun: false });
    const removed = swept.filter((one) => one.removed > 0).map((one) => [one.kind, one.removed]);
    if (removed.length > 0) logger.info({ removed: Object.fromEntries(removed) }, 'removed what was too old');
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
    /** Sweeps once, then again and again. Resolves when there is room for page views; what is old is not waited for. */
    async start(): Promise<void> {
      await preparePartitions();
      void attempt(prune);
      void attempt(expire);
      const hourly = () => {
        void attempt(preparePartitions);
        void attempt(prune);
      };
      timers.push(
        setInterval(() => void sample(), sampleMs).unref(),
        setInterval(hourly, hourMs).unref(),
        setInterval(() => void attempt(expire), dayMs).unref(),
      );
    },
    stop(): void {
      for (const timer of timers) clearInterval(timer);
    },
  };
}

import { isRetriable } from '../../domain/error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EventLog } from '../../ports/event-log.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PartitionStore } from '../../ports/store/partitions.ts';
import {
  type Expiring,
  expiring,
  type RetentionStore,
  type SweepOutcome,
  type SweptKind,
} from '../../ports/store/retention.ts';
import type { Reconcile } from './reconcile.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** A kind that was not swept for so long is overdue: two sweeps failed. */
const overdueMs = 2 * dayMs;

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
  /** Rows, and partitions of a month; 0 if it failed. */
  readonly removed: number;
  /** Why it failed; undefined if it did not. */
  readonly error: unknown;
}

/** Removes what is older than its retention, each kind even if one before it fails; with `dryRun` it is counted only. */
export async function expireAll(
  deps: Deps,
  retention: Retention,
  { dryRun, kinds = expiring }: { readonly dryRun: boolean; readonly kinds?: readonly Expiring[] },
): Promise<readonly Swept[]> {
  const { store, clock } = deps;
  const swept: Swept[] = [];
  for (const kind of kinds) {
    const days = retention[kind];
    const before = new Date(clock.now().getTime() - days * dayMs);
    let removed = 0;
    const work = async () => {
      removed = await store.expire(kind, before, { dryRun });
    };
    const error = await (dryRun ? errorOf(work) : noted(deps, kind, work));
    swept.push({ kind, days, before, removed, error });
  }
  return swept;
}

interface Deps {
  readonly store: Pick<RetentionStore, 'expire' | 'noteSweep'>;
  readonly clock: Clock;
}

const errorOf = (work: () => Promise<unknown>) =>
  work().then(
    () => undefined,
    (error: unknown) => error,
  );

/** Sweeps a kind and keeps how that ended, for all processes; why it failed, undefined if it did not. */
async function noted(
  { store, clock }: Deps,
  kind: SweptKind,
  work: () => Promise<unknown>,
): Promise<unknown> {
  const error = await errorOf(async () => {
    await work();
    await store.noteSweep(kind, clock.now(), { succeeded: true });
  });
  if (error !== undefined) await errorOf(() => store.noteSweep(kind, clock.now(), { succeeded: false }));
  return error;
}

/**
 * Keeps house. All the time it recounts badges drawn at random. Hourly, partitions for this month and the next are ready,
 * and log records beyond the retention are gone; daily, whatever else is beyond its own. A kind that fails is tried again
 * after an hour, and holds up no other.
 */
export function createSweep(
  {
    store,
    log,
    reconcile,
    clock,
    logger,
  }: {
    readonly store: RetentionStore & PartitionStore;
    readonly log: EventLog;
    readonly reconcile: Pick<Reconcile, 'sample'>;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  { retention }: { readonly retention: Retention },
) {
  const timers: NodeJS.Timeout[] = [];
  let isSampling = false;
  let sampledAt: Date | undefined;
  let failed: readonly Expiring[] = [];

  async function preparePartitions(): Promise<void> {
    const now = clock.now();
    await store.preparePageViews([now, new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1))]);
  }

  async function prune(): Promise<void> {
    const pruned = await log.prune(new Date(clock.now().getTime() - retention.log * dayMs));
    if (pruned > 0) logger.info({ pruned }, 'pruned the log');
  }

  async function expire(kinds: readonly Expiring[]): Promise<void> {
    const swept = await expireAll({ store, clock }, retention, { dryRun: false, kinds });
    const removed = swept.filter((one) => one.removed > 0).map((one) => [one.kind, one.removed]);
    if (removed.length > 0) logger.info({ removed: Object.fromEntries(removed) }, 'removed what was too old');
    failed = swept.filter(({ error }) => error !== undefined).map(({ kind }) => kind);
    for (const { kind, error } of swept) await report(kind, error);
  }

  async function attempt(kind: SweptKind, work: () => Promise<void>): Promise<void> {
    await report(kind, await noted({ store, clock }, kind, work));
  }

  /** A failure that may pass is a warning, until it did not pass for too long. */
  async function report(kind: SweptKind, err: unknown): Promise<void> {
    if (err === undefined) return;
    const outcomes = await store.sweeps().catch(() => []);
    const isLate = outcomes.some((one) => one.kind === kind && isOverdue(one, clock.now()));
    const level = isRetriable(err) && !isLate ? 'warn' : 'error';
    logger[level]({ err, kind }, 'a sweep failed; the next one will catch up');
  }

  /** One at a time, however slow the database is. */
  async function sample(): Promise<void> {
    if (isSampling) return;
    isSampling = true;
    const err = await errorOf(() => reconcile.sample(sampleSize));
    if (err === undefined) sampledAt = clock.now();
    else logger.warn({ err }, 'badges could not be recounted; trying again');
    isSampling = false;
  }

  return {
    /** Sweeps once, then again and again. Resolves when there is room for page views; what is old is not waited for. */
    async start(): Promise<void> {
      await preparePartitions();
      const hourly = () => {
        void attempt('partitions', preparePartitions);
        void attempt('log', prune);
      };
      hourly();
      void expire(expiring);
      timers.push(
        setInterval(() => void sample(), sampleMs).unref(),
        setInterval(hourly, hourMs).unref(),
        setInterval(() => void expire(failed), hourMs).unref(),
        setInterval(() => void expire(expiring), dayMs).unref(),
      );
    },
    /** When badges drawn at random were last recounted; undefined before the first time. */
    sampledAt: () => sampledAt,
    stop(): void {
      for (const timer of timers) clearInterval(timer);
    },
  };
}

/** Whether a kind has not been swept for so long that someone should look. */
const isOverdue = ({ since, succeededAt }: SweepOutcome, now: Date) =>
  now.getTime() - (succeededAt ?? since).getTime() > overdueMs;

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

/**
 * The maximum age of the last successful sweep of a kind, in ms. If this sweep is older, the kind is overdue,
 * because two sweeps have failed.
 */
const overdueMs = 2 * dayMs;

/**
 * The number of inboxes in a sample. With a sample every `sampleMs`, the sweep recounts nearly a million
 * inboxes per day.
 */
const sampleSize = 100;
const sampleMs = 10_000;

/**
 * Maps each kind of rows to its retention in days. The retention of `log` applies to records that every
 * consumer group has read.
 */
export type Retention = Readonly<Record<Expiring | 'log', number>>;

/** The result of a sweep of one kind. A dry run removes nothing. */
export interface Swept {
  readonly kind: Expiring;
  readonly days: number;
  readonly before: Date;
  /** The number of removed rows and monthly partitions. 0 if the sweep failed. */
  readonly removed: number;
  /** The error of the sweep. undefined if it succeeded. */
  readonly error: unknown;
}

/**
 * Removes the rows of each kind that are older than its retention. If one kind fails, the next kinds are
 * still swept. With `dryRun`, the rows are only counted.
 */
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

/**
 * Sweeps a kind and stores the outcome for all processes. Resolves to the error, or to undefined on success.
 */
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
 * Creates the sweep, which runs in the background.
 *
 * Every 10 s it recounts random badges. Every hour it creates the partitions of this month and the next
 * month, and prunes log records that are older than their retention. Every day it removes all other rows that
 * are older than their retention. A kind that fails is tried again after an hour, and does not delay the
 * other kinds.
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
    const removed = swept.filter(({ removed }) => removed > 0).map(({ kind, removed }) => [kind, removed]);
    if (removed.length > 0)
      logger.info({ removed: Object.fromEntries(removed) }, 'removed rows older than their retention');
    failed = swept.filter(({ error }) => error !== undefined).map(({ kind }) => kind);
    for (const { kind, error } of swept) await report(kind, error);
  }

  async function attempt(kind: SweptKind, work: () => Promise<void>): Promise<void> {
    await report(kind, await noted({ store, clock }, kind, work));
  }

  /**
   * Logs a failure. A temporary failure is a warning, unless the kind is overdue. Any other failure is an
   * error.
   */
  async function report(kind: SweptKind, err: unknown): Promise<void> {
    if (err === undefined) return;
    const outcomes = await store.sweeps().catch(() => []);
    const isLate = outcomes.some((outcome) => outcome.kind === kind && isOverdue(outcome, clock.now()));
    const level = isRetriable(err) && !isLate ? 'warn' : 'error';
    logger[level]({ err, kind }, 'a sweep failed; the next sweep catches up');
  }

  /** Recounts a sample. Skips the sample if the previous sample is still running. */
  async function sample(): Promise<void> {
    if (isSampling) return;
    isSampling = true;
    const err = await errorOf(() => reconcile.sample(sampleSize));
    if (err === undefined) sampledAt = clock.now();
    else logger.warn({ err }, 'the recount of badges failed; the next recount follows');
    isSampling = false;
  }

  return {
    /**
     * Starts a sweep at once and then repeatedly. Resolves when the partitions of page views exist, without
     * waiting for the removal of old rows.
     */
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
    /**
     * Returns the last time at which random badges were recounted. Undefined if this has not happened yet.
     */
    sampledAt: () => sampledAt,
    stop(): void {
      for (const timer of timers) clearInterval(timer);
    },
  };
}

/** Whether the last successful sweep of a kind is too long ago. */
const isOverdue = ({ since, succeededAt }: SweepOutcome, now: Date) =>
  now.getTime() - (succeededAt ?? since).getTime() > overdueMs;

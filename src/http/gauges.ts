import type { Project } from '../flow/apply/project.ts';
import type { Reconcile } from '../flow/background/reconcile.ts';
import type { Quotas } from '../flow/record/quota.ts';
import type { SystemFigures } from '../graphql/system-status.ts';
import type { InFlight } from './in-flight.ts';
import type { Reading } from './metrics.ts';
import type { RateLimit } from './rate-limit.ts';

type Time = Date | null | undefined;

/** What the gauges read. */
export interface Gauged {
  readonly figures: SystemFigures;
  readonly store: {
    countWaiting(): Promise<number>;
    sweeps(): Promise<readonly { readonly kind: string; readonly succeededAt: Date | null }[]>;
  };
  readonly callers: { waiting(): number; refused(): number };
  readonly rateLimit: Pick<RateLimit, 'refused'>;
  readonly inFlight: InFlight;
  readonly quotas: Quotas;
  readonly watch: { count(): number; unreadable(): number; resyncedAt(): Time };
  readonly limitWatch: { count(): number; unreadable(): number; resyncedAt(): Time };
  readonly watchActivity: { resyncedAt(): Time };
  readonly project: Pick<Project, 'ignoredRecords' | 'limitDisagreements' | 'unkeptViews'>;
  readonly count: { lag(): Promise<bigint>; others(): number; succeededAt(): Time };
  readonly reconcile: Pick<Reconcile, 'repaired'>;
  readonly schedule: { succeededAt(): Time };
  readonly relay: { succeededAt(): Time };
  readonly sweep: { sampledAt(): Time };
  readonly alert: { succeededAt(): Time };
}

/** The gauges of Unseen at `/metrics`. */
export function createGauges(gauged: Gauged): readonly Reading[] {
  return [ofCallers, ofWatchers, ofEvents, ofStoredRecords, ofJobs].flatMap((readings) => readings(gauged));
}

/** What callers ask for, and what is refused. */
function ofCallers({ figures, rateLimit, inFlight, callers, quotas }: Gauged): readonly Reading[] {
  return [
    { name: 'unseen_sockets', help: 'Open WebSockets.', read: figures.openSockets },
    {
      name: 'unseen_rate_limited_requests',
      help: 'Requests, subscriptions and sockets this process refused because a caller or an address sent too many.',
      read: () => rateLimit.refused(),
    },
    {
      name: 'unseen_requests_in_flight',
      help: 'Queries and mutations that run now.',
      read: () => inFlight.operations.running(),
    },
    {
      name: 'unseen_waiting_requests',
      help: 'Queries, mutations and subscriptions that wait because too much of their user or tenant runs already.',
      read: () => inFlight.operations.waiting() + inFlight.bulk.waiting() + inFlight.setUps.waiting(),
    },
    {
      name: 'unseen_in_flight_refused_requests',
      help: 'Queries and mutations this process refused because too many of their user or tenant ran and waited already.',
      read: () => inFlight.operations.refused(),
    },
    {
      name: 'unseen_waiting_statements',
      help: 'Statements and transactions of callers that wait for a connection to PostgreSQL.',
      read: () => callers.waiting(),
    },
    {
      name: 'unseen_refused_statements',
      help: 'Statements and transactions of callers this process refused because too many waited for a connection.',
      read: () => callers.refused(),
    },
    {
      name: 'unseen_quota_refusals',
      help: 'What this process refused because its user or tenant had reached a daily quota.',
      read: () => Object.values(quotas).reduce((sum, quota) => sum + quota.refused(), 0),
    },
  ];
}

/** What subscriptions watch. */
function ofWatchers({ watch, limitWatch }: Gauged): readonly Reading[] {
  return [
    {
      name: 'unseen_watchers',
      help: 'Subscriptions to badges and notification streams.',
      read: () => watch.count(),
    },
    {
      name: 'unseen_limit_watchers',
      help: 'Users whose limits are watched, one per subscription.',
      read: () => limitWatch.count(),
    },
    {
      name: 'unseen_unreadable_messages',
      help: 'Pushes this process heard that were neither badges nor limits, and dropped.',
      read: () => watch.unreadable() + limitWatch.unreadable(),
    },
  ];
}

/** What workers read, and how far they are behind. */
function ofEvents({ project, count, figures }: Gauged): readonly Reading[] {
  return [
    {
      name: 'unseen_passed_over_records',
      help: "Records this process read that held nothing to apply: tombstones, and events of kinds that are others'.",
      read: () => project.ignoredRecords(),
    },
    {
      name: 'unseen_limit_disagreements',
      help: 'Events this process applied whose progress and remaining amount do not make up the value of their limit.',
      read: () => project.limitDisagreements(),
    },
    {
      name: 'unseen_unkept_item_views',
      help: 'Views of items that are not published which this process did not keep: their users have 1000 of them.',
      read: () => project.unkeptViews(),
    },
    {
      name: 'unseen_other_activities',
      help: 'Activities this process counted as `other` because their tenants have MAX_ACTIVITY_TYPES types.',
      read: () => count.others(),
    },
    {
      name: 'unseen_log_lag_records',
      help: 'Records that no worker has passed yet, over all processes.',
      read: async () => Number(await figures.consumerLag()),
    },
    {
      name: 'unseen_metrics_lag_records',
      help: 'Records that are not counted in the metrics yet, over all processes: some, until the next flush.',
      read: async () => Number(await count.lag()),
    },
  ];
}

/** What waits in the database. */
function ofStoredRecords({ store, figures, reconcile }: Gauged): readonly Reading[] {
  return [
    {
      name: 'unseen_waiting_records',
      help: 'Notifications that wait for their users to exist, of all tenants.',
      read: () => store.countWaiting(),
    },
    {
      name: 'unseen_outbox_records',
      help: 'Records that wait in the outbox to be sent, over all processes.',
      read: figures.outboxDepth,
    },
    {
      name: 'unseen_dead_letters',
      help: 'Events that could not be applied and wait to be looked after, of all tenants.',
      read: figures.deadLetterCount,
    },
    {
      name: 'unseen_badge_drift',
      help: 'Badges that differed from a recount and were repaired by this process since its start; must stay 0.',
      read: () => reconcile.repaired(),
    },
  ];
}

/** The time of the last success of each background job. */
function ofJobs({
  store,
  schedule,
  relay,
  count,
  sweep,
  alert,
  watch,
  limitWatch,
  watchActivity,
}: Gauged): readonly Reading[] {
  return [
    {
      name: 'unseen_sweep_last_success_timestamp_seconds',
      help: 'When old data of each kind was last removed, the log last pruned and the partitions of this month and the next last prepared, by any process; 0 if never.',
      label: 'kind',
      read: async () =>
        Object.fromEntries(
          (await store.sweeps()).map(({ kind, succeededAt }) => [kind, secondsOf(succeededAt)]),
        ),
    },
    {
      name: 'unseen_job_last_success_timestamp_seconds',
      help: 'When each background job of this process last did all of its work. A job without work, or whose turn another process has, keeps its time.',
      label: 'job',
      read: () =>
        secondsOfEach({
          schedule: schedule.succeededAt(),
          relay: relay.succeededAt(),
          count: count.succeededAt(),
          recount: sweep.sampledAt(),
          alert: alert.succeededAt(),
          'resync-badges': watch.resyncedAt(),
          'resync-limits': limitWatch.resyncedAt(),
          'resync-metrics': watchActivity.resyncedAt(),
        }),
    },
  ];
}

/** The given times in seconds. A job that does not run in this process has none. */
function secondsOfEach(times: Readonly<Record<string, Time>>): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(times).flatMap(([job, at]) => (at === undefined ? [] : [[job, secondsOf(at)]])),
  );
}

/** A time in seconds since the epoch. 0 stands for never. */
const secondsOf = (at: Date | null) => (at?.getTime() ?? 0) / 1_000;

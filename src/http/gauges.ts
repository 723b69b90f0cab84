import type { Project } from '../flow/apply/project.ts';
import type { Reconcile } from '../flow/background/reconcile.ts';
import type { Quotas } from '../flow/record/quota.ts';
import type { SystemFigures } from '../graphql/system-status.ts';
import type { InFlight } from './in-flight.ts';
import type { Reading } from './metrics.ts';
import type { RateLimit } from './rate-limit.ts';

type Time = Date | null | undefined;

/** The parts of the app whose numbers the gauges report. */
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

/** The gauges of requests and refusals. */
function ofCallers({ figures, rateLimit, inFlight, callers, quotas }: Gauged): readonly Reading[] {
  return [
    { name: 'unseen_sockets', help: 'Open WebSockets.', read: figures.openSockets },
    {
      name: 'unseen_rate_limited_requests',
      help: 'Requests, subscriptions and sockets that this process refused because a caller or an address exceeded its rate limit.',
      read: () => rateLimit.refused(),
    },
    {
      name: 'unseen_requests_in_flight',
      help: 'Queries and mutations that are running.',
      read: () => inFlight.operations.running(),
    },
    {
      name: 'unseen_waiting_requests',
      help: 'Queries, mutations and subscriptions that wait because too many of the same user or tenant are running.',
      read: () => inFlight.operations.waiting() + inFlight.bulk.waiting() + inFlight.setUps.waiting(),
    },
    {
      name: 'unseen_in_flight_refused_requests',
      help: 'Queries and mutations that this process refused because too many of the same user were waiting.',
      read: () => inFlight.operations.refused(),
    },
    {
      name: 'unseen_waiting_statements',
      help: 'Statements and transactions of callers that wait for a connection to PostgreSQL.',
      read: () => callers.waiting(),
    },
    {
      name: 'unseen_refused_statements',
      help: 'Statements and transactions of callers that this process refused because too many waited for a connection, or because they waited too long.',
      read: () => callers.refused(),
    },
    {
      name: 'unseen_quota_refusals',
      help: 'Attempts to record events that this process refused because a user or tenant had reached a daily quota.',
      read: () => Object.values(quotas).reduce((sum, quota) => sum + quota.refused(), 0),
    },
  ];
}

/** The gauges of subscriptions. */
function ofWatchers({ watch, limitWatch }: Gauged): readonly Reading[] {
  return [
    {
      name: 'unseen_watchers',
      help: 'Open subscriptions to badges and notification streams.',
      read: () => watch.count(),
    },
    {
      name: 'unseen_limit_watchers',
      help: 'Open subscriptions to the limits of users.',
      read: () => limitWatch.count(),
    },
    {
      name: 'unseen_unreadable_messages',
      help: 'Pushes that this process received and dropped because they were neither badges nor limits.',
      read: () => watch.unreadable() + limitWatch.unreadable(),
    },
  ];
}

/** The gauges of the records that workers read, and of their lag. */
function ofEvents({ project, count, figures }: Gauged): readonly Reading[] {
  return [
    {
      name: 'unseen_passed_over_records',
      help: 'Records that this process skipped because they are tombstones or events of a type that Unseen does not know.',
      read: () => project.ignoredRecords(),
    },
    {
      name: 'unseen_limit_disagreements',
      help: 'Events that this process applied although their progress and remaining amount do not add up to the value of their limit.',
      read: () => project.limitDisagreements(),
    },
    {
      name: 'unseen_unkept_item_views',
      help: 'Views of unpublished items that this process did not store because the user already has 1000 such views.',
      read: () => project.unkeptViews(),
    },
    {
      name: 'unseen_other_activities',
      help: 'Activities that this process counted as `other` because the tenant has MAX_ACTIVITY_TYPES types, or because the name of the type is too long.',
      read: () => count.others(),
    },
    {
      name: 'unseen_log_lag_records',
      help: 'Records that no worker has applied yet, over all processes.',
      read: async () => Number(await figures.consumerLag()),
    },
    {
      name: 'unseen_metrics_lag_records',
      help: 'Records that the metrics do not include yet, over all processes. Some are normal until the next flush.',
      read: async () => Number(await count.lag()),
    },
  ];
}

/** The gauges of records that are stored and wait for work. */
function ofStoredRecords({ store, figures, reconcile }: Gauged): readonly Reading[] {
  return [
    {
      name: 'unseen_waiting_records',
      help: 'Notifications of all tenants that wait for their user to exist.',
      read: () => store.countWaiting(),
    },
    {
      name: 'unseen_outbox_records',
      help: 'Records in the outbox that wait to be written to the log, over all processes.',
      read: figures.outboxDepth,
    },
    {
      name: 'unseen_dead_letters',
      help: 'Dead letters of all tenants: events that could not be applied.',
      read: figures.deadLetterCount,
    },
    {
      name: 'unseen_badge_drift',
      help: 'Badges that this process has repaired since its start because they differed from a recount. Must stay 0.',
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
      help: 'The time at which any process last removed old data of each kind, removed old records from the log, or prepared the partitions of this month and the next month. 0 means never.',
      label: 'kind',
      read: async () =>
        Object.fromEntries(
          (await store.sweeps()).map(({ kind, succeededAt }) => [kind, secondsOf(succeededAt)]),
        ),
    },
    {
      name: 'unseen_job_last_success_timestamp_seconds',
      help: 'The time at which each background job of this process last completed its work. The time of a job does not change while the job has no work or while another process runs the job.',
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

/** Converts times to seconds. Leaves out jobs without a time, because they do not run in this process. */
function secondsOfEach(times: Readonly<Record<string, Time>>): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(times).flatMap(([job, at]) => (at === undefined ? [] : [[job, secondsOf(at)]])),
  );
}

/** Returns a time in seconds since the epoch. 0 means never. */
const secondsOf = (at: Date | null) => (at?.getTime() ?? 0) / 1_000;

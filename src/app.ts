import type { Config } from './config/config.ts';
import { createAct } from './flow/act/act.ts';
import { createItems } from './flow/act/items.ts';
import { createConsume } from './flow/apply/consume.ts';
import { createCount } from './flow/apply/count.ts';
import { createProject } from './flow/apply/project.ts';
import { createAlert } from './flow/background/alert.ts';
import { createReconcile } from './flow/background/reconcile.ts';
import { createRelay } from './flow/background/relay.ts';
import { createSchedule } from './flow/background/schedule.ts';
import { createSweep } from './flow/background/sweep.ts';
import { createDeadLetterReads } from './flow/read/dead-letters.ts';
import { createItemReads } from './flow/read/items.ts';
import { createMeasure } from './flow/read/measure.ts';
import { createNotificationReads } from './flow/read/notifications.ts';
import { createPageViewReads } from './flow/read/page-views.ts';
import { createRead } from './flow/read/read.ts';
import { createUserReads } from './flow/read/users.ts';
import { createIngest } from './flow/record/ingest.ts';
import { createQuotas } from './flow/record/quota.ts';
import { createRecord } from './flow/record/record.ts';
import { createStream } from './flow/watch/stream.ts';
import { createWatch } from './flow/watch/watch.ts';
import { createWatchActivity } from './flow/watch/watch-activity.ts';
import { createLimitWatch } from './flow/watch/watch-limits.ts';
import { createExecution } from './graphql/engine/execute.ts';
import { createOperations, type OperationOptions } from './graphql/engine/operation.ts';
import { createResolvers, getSchema } from './graphql/schema.ts';
import type { SystemFigures } from './graphql/system-status.ts';
import { createDemoEndpoint } from './http/demo-session.ts';
import { createGraphQLOverHttp } from './http/graphql-http.ts';
import { createGraphQLOverWebSocket } from './http/graphql-ws.ts';
import { createInFlight } from './http/in-flight.ts';
import { createListener } from './http/listener.ts';
import { createMetrics } from './http/metrics.ts';
import { createPages } from './http/pages.ts';
import { createRateLimit } from './http/rate-limit.ts';
import type { GraphQLEndpoints } from './http/routes.ts';
import type { Authenticator } from './ports/authenticator.ts';
import type { BadgeCache } from './ports/badge-cache.ts';
import type { Clock } from './ports/clock.ts';
import type { DemoSessions } from './ports/demo-sessions.ts';
import type { EventLog } from './ports/event-log.ts';
import { type Logger, withoutStorms } from './ports/logger.ts';
import type { Outbox } from './ports/outbox.ts';
import type { PubSub } from './ports/pub-sub.ts';
import type { SweepOutcome } from './ports/store/retention.ts';
import type { Store } from './ports/store/store.ts';
import { version } from './version.ts';

/** What an app needs from outside. */
export interface Backends {
  /** Waits, for as long as it takes, until every backend was reached and is as this version needs it. */
  prepare(signal: AbortSignal): Promise<void>;
  readonly store: Store;
  /** The same store for the API, whose callers share a part of the connections. */
  readonly callers: { readonly store: Store; waiting(): number; refused(): number };
  readonly log: EventLog;
  readonly outbox: Outbox;
  readonly pubSub: PubSub;
  readonly cache: BadgeCache;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What the backends are, in a word or two. */
  readonly names: { readonly store: () => Promise<string>; readonly log: string; readonly pubSub: string };
  /** undefined when authentication is configured. */
  readonly demoSessions: DemoSessions | undefined;
}

export interface App {
  /**
   * Answers the health checks, waits for the backends, then resolves when requests are answered and events applied.
   * Rejects with START_REFUSED when that will never be.
   */
  start(): Promise<{ readonly url: string }>;
  /** What is wrong with each backend that cannot be used now: `store`, `log`, `pub/sub`. Ready when there is none. */
  problems(): Promise<Readonly<Record<string, string>>>;
  /** Finishes what is under way and stops; the backends are left to whoever made them. */
  stop(): Promise<void>;
}

/** Joins the rooms. */
export async function createApp(
  backends: Backends,
  config: Config,
  { usesToCompile }: Pick<OperationOptions, 'usesToCompile'> = {},
): Promise<App> {
  const { store, callers, log, outbox, pubSub, cache, authenticator, clock, demoSessions } = backends;
  const logger = withoutStorms(backends.logger);
  const { retentionDays, viewHorizonDays, lockedCategories, announcesDeliveries, limitThresholds } = config;
  const { flushIntervalMs, batchSize, maxActivityTypes, resyncMs } = config;
  const stopping = new AbortController();

  const read = createRead({ store: callers.store, cache, clock, pubSub }, { viewHorizonDays });
  const watch = createWatch({ read, pubSub, clock, logger }, { resyncMs });
  const limitWatch = createLimitWatch({ read, pubSub, clock, logger }, { resyncMs });
  const watchActivity = createWatchActivity({ store: callers.store, pubSub, clock, logger }, { resyncMs });
  const stream = createStream({ read, watch, clock, logger });
  const measure = createMeasure({ store: callers.store, clock }, { retentionDays, flushIntervalMs });
  const rateLimit = createRateLimit(config.rateLimit);
  const inFlight = createInFlight(config.inFlight);

  const quotas = createQuotas({ clock }, config.dailyQuota);

  async function createEndpoints(): Promise<GraphQLEndpoints> {
    const { store } = callers;
    const record = createRecord({ log, store, clock }, { retentionDays, lockedCategories, quotas });
    const act = createAct(
      { store, pubSub, cache, clock, logger },
      { lockedCategories, announcesDeliveries, limitThresholds, quotas },
    );
    const items = createItems({ store, pubSub, clock, logger }, { retentionDays, viewHorizonDays, quotas });
    const schema = getSchema();
    const container = createResolvers({
      act,
      items,
      read,
      reconcile,
      record,
      watch,
      stream,
      limitWatch,
      ingest: createIngest({ log, clock }, { quotas }),
      watchActivity,
      measure,
      userReads: createUserReads({ store }),
      notificationReads: createNotificationReads({ store }),
      itemReads: createItemReads({ store }),
      pageViewReads: createPageViewReads({ store, clock }, { retentionDays }),
      deadLetterReads: createDeadLetterReads({ store }),
      clock,
      lockedCategories,
      figures,
    });
    const operations = createOperations(schema, { introspection: config.introspection, usesToCompile });
    const execution = createExecution({ operations, logger });
    const shared = { schema, container, authenticator, execution, rateLimit, inFlight, logger };
    return {
      graphql: await createGraphQLOverHttp(shared),
      sockets: createGraphQLOverWebSocket(shared),
      demo: createDemoEndpoint({ sessions: demoSessions, rateLimit }),
      pages: createPages({ opensByLink: demoSessions !== undefined }),
    };
  }

  const reconcile = createReconcile({ store, pubSub, cache, clock, logger });
  const project = createProject(
    { store, pubSub, cache, clock, logger },
    {
      retentionDays,
      viewHorizonDays,
      lockedCategories,
      announcesDeliveries,
      limitThresholds,
      unknownUserWaitMs: config.unknownUserWaitMs,
    },
  );
  const consume = createConsume({ log, project, logger });
  const count = createCount(
    { log, project, store, pubSub, clock, logger },
    { retentionDays, flushIntervalMs, batchSize, maxActivityTypes },
  );
  const relay = createRelay({ outbox, log, project, clock, logger });
  const schedule = createSchedule(
    { store, pubSub, cache, clock, logger },
    { lockedCategories, announcesDeliveries },
  );
  const sweep = createSweep({ store, log, reconcile, clock, logger }, config);
  const alert = createAlert(
    { store, log, clock, logger },
    {
      users: config.alert.users,
      rule: { minScore: 4, minCount: config.alert.minCount, minDays: 7 },
      settleMs: 2 * flushIntervalMs,
    },
  );
  const figures: SystemFigures = {
    version,
    ...backends.names,
    consumerLag: () => consume.lag(),
    outboxDepth: () => outbox.depth(),
    deadLetterCount: () => store.countDeadLetters({}),
    openSockets: () => endpoints?.sockets.count() ?? 0,
    watchedUsers: () => watch.users(),
    badgeDrift: () => reconcile.countDrift(100),
    sweptAt: async () => oldestOf(await store.sweeps()),
  };

  async function problems(): Promise<Readonly<Record<string, string>>> {
    const [storeProblem, { problem: logProblem }] = await Promise.all([store.problem(), log.health()]);
    const all = { store: storeProblem, log: logProblem, 'pub/sub': pubSub.health().problem };
    return Object.fromEntries(
      Object.entries(all).flatMap(([backend, problem]) =>
        problem === undefined ? [] : [[backend, problem]],
      ),
    );
  }

  function succeededJobs(): Readonly<Record<string, number>> {
    const all = {
      schedule: schedule.succeededAt(),
      relay: relay.succeededAt(),
      count: count.succeededAt(),
      recount: sweep.sampledAt(),
      alert: alert.succeededAt(),
      'resync-badges': watch.resyncedAt(),
      'resync-limits': limitWatch.resyncedAt(),
      'resync-metrics': watchActivity.resyncedAt(),
    };
    return Object.fromEntries(
      Object.entries(all).flatMap(([job, at]) => (at === undefined ? [] : [[job, secondsOf(at)]])),
    );
  }

  const endpoints = config.roles.has('api') ? await createEndpoints() : undefined;
  const listener = createListener({
    endpoints,
    isReady: async () => {
      const found = await problems();
      const missing = Object.keys(found);
      if (missing.length > 0) logger.warn(found, 'not ready');
      return missing;
    },
    metrics: createMetrics([
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
        name: 'unseen_unreadable_messages',
        help: 'Pushes this process heard that were neither badges nor limits, and dropped.',
        read: () => watch.unreadable() + limitWatch.unreadable(),
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
      {
        name: 'unseen_quota_refusals',
        help: 'What this process refused because its user or tenant had reached a daily quota.',
        read: () => Object.values(quotas).reduce((sum, quota) => sum + quota.refused(), 0),
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
        read: () => succeededJobs(),
      },
    ]),
    corsOrigins: config.corsOrigins,
    logger,
  });

  return {
    async start() {
      const listening = await listener.listen(config.host, config.port);
      await backends.prepare(stopping.signal);
      // The endpoints last: what it accepts is applied from the first moment.
      if (config.roles.has('worker')) {
        await sweep.start();
        await consume.start();
        // Nobody waits for the metrics, the start neither.
        void count.start();
        relay.start();
        schedule.start();
        alert.start();
      }
      listener.open();
      return listening;
    },
    problems,
    async stop() {
      stopping.abort();
      await listener.drain(config.shutdownTimeoutMs);
      watch.stop();
      limitWatch.stop();
      watchActivity.stop();
      sweep.stop();
      alert.stop();
      await relay.stop();
      await schedule.stop();
      await log.close();
    },
  };
}

/** Since the epoch; 0 for never. */
const secondsOf = (at: Date | null) => (at?.getTime() ?? 0) / 1_000;

/** The last success of the kind that was swept longest ago; null if one never was. */
function oldestOf(outcomes: readonly SweepOutcome[]): Date | null {
  const oldest = Math.min(...outcomes.map(({ succeededAt }) => succeededAt?.getTime() ?? 0));
  return oldest > 0 && Number.isFinite(oldest) ? new Date(oldest) : null;
}

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
import { problemsOf } from './flow/read/problems.ts';
import { createRead } from './flow/read/read.ts';
import { createUserReads } from './flow/read/users.ts';
import { createIngest } from './flow/record/ingest.ts';
import { createQuotas, type Quotas } from './flow/record/quota.ts';
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
import { createGauges } from './http/gauges.ts';
import { createGraphQLOverHttp } from './http/graphql-http.ts';
import { createGraphQLOverWebSocket } from './http/graphql-ws.ts';
import { createInFlight, type InFlight } from './http/in-flight.ts';
import { createListener } from './http/listener.ts';
import { createMetrics } from './http/metrics.ts';
import { createPages } from './http/pages.ts';
import { createRateLimit, type RateLimit } from './http/rate-limit.ts';
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

/** The backends and other external parts that an app needs. */
export interface Backends {
  /**
   * Resolves when every backend has answered and the database is ready for this version: it is migrated and
   * bound to the configured log. Waits without a time limit. `signal` ends the wait.
   */
  prepare(signal: AbortSignal): Promise<void>;
  readonly store: Store;
  /** The store for requests of callers. Requests of callers share a part of the connections. */
  readonly callers: { readonly store: Store; waiting(): number; refused(): number };
  readonly log: EventLog;
  readonly outbox: Outbox;
  readonly pubSub: PubSub;
  readonly cache: BadgeCache;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A short name of each backend. */
  readonly names: { readonly store: () => Promise<string>; readonly log: string; readonly pubSub: string };
  /** undefined if authentication is configured. */
  readonly demoSessions: DemoSessions | undefined;
}

export interface App {
  /**
   * Begins to answer health checks, and waits for the backends. Resolves when the process answers requests
   * and applies events. Rejects with START_REFUSED if a retry cannot help.
   */
  start(): Promise<{ readonly url: string }>;
  /**
   * Maps each backend that is not usable now (`store`, `log` or `pub/sub`) to its problem. Empty if the
   * process is ready.
   */
  problems(): Promise<Readonly<Record<string, string>>>;
  /** Finishes running requests and jobs, then stops the app. The caller must close the backends. */
  stop(): Promise<void>;
}

/** Connects the parts of the app: flow, GraphQL and HTTP. */
export async function createApp(
  given: Backends,
  config: Config,
  { usesToCompile }: Pick<OperationOptions, 'usesToCompile'> = {},
): Promise<App> {
  const backends = { ...given, logger: withoutStorms(given.logger) };
  const { store, log, pubSub, clock, logger } = backends;
  const stopping = new AbortController();
  const watching = createWatching(backends, config);
  const worker = createWorker(backends, config);
  const quotas = createQuotas({ clock }, config.dailyQuota);
  const rateLimit = createRateLimit(config.rateLimit);
  const inFlight = createInFlight(config.inFlight);
  const figures = createFigures(backends, { ...watching, ...worker }, () => endpoints?.sockets.count() ?? 0);
  const shared = { ...watching, reconcile: worker.reconcile, quotas, rateLimit, inFlight, figures };
  const endpoints = config.roles.has('api')
    ? await createEndpoints(backends, config, { ...shared, usesToCompile })
    : undefined;
  const problems = () => problemsOf({ store, log, pubSub });
  const listener = createListener({
    endpoints,
    isReady: async () => {
      const found = await problems();
      const missing = Object.keys(found);
      if (missing.length > 0) logger.warn(found, 'the process is not ready');
      return missing;
    },
    metrics: createMetrics(createGauges({ ...worker, ...shared, store, callers: backends.callers })),
    corsOrigins: config.corsOrigins,
    logger,
  });
  return {
    async start() {
      const listening = await listener.listen(config.host, config.port);
      await backends.prepare(stopping.signal);
      // The worker starts before the endpoints open, so that no accepted event waits for the worker.
      if (config.roles.has('worker')) await startWorker(worker);
      listener.open();
      return listening;
    },
    problems,
    async stop() {
      stopping.abort();
      await listener.drain(config.shutdownTimeoutMs);
      watching.watch.stop();
      watching.limitWatch.stop();
      watching.watchActivity.stop();
      worker.sweep.stop();
      worker.alert.stop();
      await worker.relay.stop();
      await worker.schedule.stop();
      await log.close();
    },
  };
}

/** Creates the parts that read and watch. */
function createWatching({ callers, cache, clock, pubSub, logger }: Backends, config: Config) {
  const { viewHorizonDays, resyncMs, retentionDays, flushIntervalMs } = config;
  const { store } = callers;
  const read = createRead({ store, cache, clock, pubSub }, { viewHorizonDays });
  const watch = createWatch({ read, pubSub, clock, logger }, { resyncMs });
  return {
    read,
    watch,
    limitWatch: createLimitWatch({ read, pubSub, clock, logger }, { resyncMs }),
    watchActivity: createWatchActivity({ store, pubSub, clock, logger }, { resyncMs }),
    stream: createStream({ read, watch, clock, logger }),
    measure: createMeasure({ store, clock }, { retentionDays, flushIntervalMs }),
  };
}

/** Creates the parts that apply events, and the background jobs. */
function createWorker({ store, log, outbox, pubSub, cache, clock, logger }: Backends, config: Config) {
  const { retentionDays, viewHorizonDays, lockedCategories, announcesDeliveries, limitThresholds } = config;
  const { flushIntervalMs, batchSize, maxActivityTypes, unknownUserWaitMs } = config;
  const deps = { store, pubSub, cache, clock, logger };
  const reconcile = createReconcile(deps);
  const project = createProject(deps, {
    retentionDays,
    viewHorizonDays,
    lockedCategories,
    announcesDeliveries,
    limitThresholds,
    unknownUserWaitMs,
  });
  return {
    reconcile,
    project,
    consume: createConsume({ log, project, logger }),
    count: createCount(
      { log, project, store, pubSub, clock, logger },
      { retentionDays, flushIntervalMs, batchSize, maxActivityTypes },
    ),
    relay: createRelay({ outbox, log, project, clock, logger }),
    schedule: createSchedule(deps, { lockedCategories, announcesDeliveries }),
    sweep: createSweep({ store, log, reconcile, clock, logger }, config),
    alert: createAlert(
      { store, log, clock, logger },
      {
        users: config.alert.users,
        rule: { minScore: 4, minCount: config.alert.minCount, minDays: 7 },
        settleMs: 2 * flushIntervalMs,
      },
    ),
  };
}

async function startWorker({ sweep, consume, count, relay, schedule, alert }: Worker): Promise<void> {
  await sweep.start();
  await consume.start();
  // The start of the process does not wait until the metrics are counted.
  void count.start();
  relay.start();
  schedule.start();
  alert.start();
}

type Watching = ReturnType<typeof createWatching>;
type Worker = ReturnType<typeof createWorker>;

/** Creates the GraphQL API over HTTP and WebSocket, and the pages. */
async function createEndpoints(
  { callers, log, pubSub, cache, clock, logger, authenticator, demoSessions }: Backends,
  { retentionDays, viewHorizonDays, lockedCategories, announcesDeliveries, ...config }: Config,
  parts: Watching &
    Pick<Worker, 'reconcile'> &
    Pick<OperationOptions, 'usesToCompile'> & {
      readonly quotas: Quotas;
      readonly rateLimit: RateLimit;
      readonly inFlight: InFlight;
      readonly figures: SystemFigures;
    },
): Promise<GraphQLEndpoints> {
  const { store } = callers;
  const { quotas, rateLimit, inFlight, usesToCompile, ...watching } = parts;
  const schema = getSchema();
  const container = createResolvers({
    ...watching,
    act: createAct(
      { store, pubSub, cache, clock, logger },
      { lockedCategories, announcesDeliveries, limitThresholds: config.limitThresholds, quotas },
    ),
    items: createItems({ store, pubSub, clock, logger }, { retentionDays, viewHorizonDays, quotas }),
    record: createRecord({ log, store, clock }, { retentionDays, lockedCategories, quotas }),
    ingest: createIngest({ log, clock }, { quotas }),
    userReads: createUserReads({ store }),
    notificationReads: createNotificationReads({ store }),
    itemReads: createItemReads({ store }),
    pageViewReads: createPageViewReads({ store, clock }, { retentionDays }),
    deadLetterReads: createDeadLetterReads({ store }),
    clock,
    lockedCategories,
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

/**
 * Creates the figures of the system. Admins read them with GraphQL, and Prometheus reads them at `/metrics`.
 */
function createFigures(
  { names, outbox, store }: Backends,
  { consume, reconcile, watch }: Pick<Watching & Worker, 'consume' | 'reconcile' | 'watch'>,
  openSockets: () => number,
): SystemFigures {
  return {
    version,
    ...names,
    consumerLag: () => consume.lag(),
    outboxDepth: () => outbox.depth(),
    deadLetterCount: () => store.countDeadLetters({}),
    openSockets,
    watchedUsers: () => watch.users(),
    badgeDrift: () => reconcile.countDrift(100),
    sweptAt: async () => oldestOf(await store.sweeps()),
  };
}

/**
 * Returns the time since when every kind of old data has been swept successfully. Returns null if a kind was
 * never swept.
 */
function oldestOf(outcomes: readonly SweepOutcome[]): Date | null {
  const oldest = Math.min(...outcomes.map(({ succeededAt }) => succeededAt?.getTime() ?? 0));
  return oldest > 0 && Number.isFinite(oldest) ? new Date(oldest) : null;
}

/** A metric of a variant, which a suite measures. */
export interface Metric {
  readonly variant: string;
  readonly metric: string;
}

/**
 * Two figures and the wanted bounds of their ratio. If a goal has no gate, the bench only reports the ratio.
 */
export interface Goal {
  /** The number for `--only` and for the report. Goals of one kind share a number. */
  readonly number: number;
  readonly what: string;
  readonly suite: string;
  readonly ours: Metric;
  readonly other: Metric;
  readonly unit: 'requests/s' | 'events/s' | 'ms' | 'KB';
  /** Whether the ratio must be at least the gate or at most the gate. */
  readonly good: 'at least' | 'at most';
  /** The bound that the ratio must reach. A ratio that misses the bound is a defect. */
  readonly gate?: number;
  /** The bound that we want to reach. */
  readonly stretch?: number;
}

/** The API without a worker. In deployments that need performance, a separate process runs the worker. */
export const api = 'unseen, api';
/** The API and the worker in one process, on one core. */
export const apiAndWorker = 'unseen, api + worker';
export const bare = 'bare node:http';
export const textbook = 'textbook';
export const bareSql = 'bare SQL';
export const floor = 'floor';
/**
 * One process records, a second process applies and a third process pushes, connected by Kafka, Redis and
 * PostgreSQL.
 */
export const acrossProcesses = 'unseen, api → worker → other api';
/** A server that forwards the messages of a channel to the sockets of that channel. */
export const hub = 'raw hub';

/** Workers, and processes that only insert the rows. The name of each variant says where the log is. */
export const workerOnPostgres = 'worker, log in Postgres';
export const bareOnPostgres = 'bare insert, log in Postgres';
export const workerOnKafka = 'worker, log in Kafka';
export const bareOnKafka = 'bare insert, log in Kafka';
/** One worker that applies only limit events or only page views. */
export const limitEvents = 'worker, limit events';
export const pageViews = 'worker, page views';
/** A worker that also counts the metrics. */
export const countingOnPostgres = 'worker with metrics, log in Postgres';
export const countingOnKafka = 'worker with metrics, log in Kafka';
/** The numbers of events per flush. The bench compares each number with the last number. */
export const flushSizes = [500, 1_000, 2_000, 5_000, 20_000] as const;
export const flushesOf = (events: number) => `flushes of ${events}`;
export const twoWorkers = 'two workers, log in Kafka';

/** A user with 100 000 unread notifications, and a user who reads each notification. */
export const fullInbox = 'inbox with 100 000 unread';
export const emptyInbox = 'empty inbox';
/** The same inbox in tables with 10 million or 10 000 notifications of other users. */
export const largeTable = 'among 10 million';
export const smallTable = 'among 10 000';

/** The numbers of views in the window of `User.stats`. */
export const statsSizes = [20, 200, 2_000, 20_000] as const;

const metric = (variant: string, name: string): Metric => ({ variant, metric: name });

const recordGoals = [32, 64].flatMap((connections): readonly Goal[] => {
  const name = `perSecond@${connections}`;
  const common = { suite: 'record', unit: 'requests/s', good: 'at least' } as const;
  const what = (than: string) => `recordPageView durable / ${than}, ${connections} connections`;
  const overTextbook = { ...common, number: 2, other: metric(textbook, name) };
  const overBare = { ...common, number: 3, other: metric(bare, name) };
  return [
    { ...overTextbook, what: what('textbook'), ours: metric(api, name), gate: 4, stretch: 7 },
    { ...overTextbook, what: what('textbook, worker included'), ours: metric(apiAndWorker, name) },
    { ...overBare, what: what('bare, group commit'), ours: metric(api, name), gate: 0.35, stretch: 0.6 },
    { ...overBare, what: what('bare, worker included'), ours: metric(apiAndWorker, name) },
  ];
});

const bulk = { number: 4, suite: 'bulk', unit: 'events/s', good: 'at least' } as const;
const perSecond = (variant: string) => metric(variant, 'perSecond');
const live = { suite: 'live', good: 'at most' } as const;
const consume = { number: 5, suite: 'consume', unit: 'events/s', good: 'at least' } as const;
const metrics = { number: 15, suite: 'metrics cost', unit: 'events/s', good: 'at least' } as const;
const push = { number: 10, suite: 'push', unit: 'ms', good: 'at most' } as const;

const inboxGoals = (
  [
    ['reading the badge', 'badge', 1.2],
    ['opening', 'opening', 2],
    ['one arrival', 'arrival', 1.5],
    ['the first page', 'page', undefined],
  ] as const
).map(
  ([what, name, gate]): Goal => ({
    number: 13,
    what: `${what} with 100 000 unread, p50 / empty inbox`,
    suite: 'inbox',
    ours: metric(fullInbox, `${name}Ms`),
    other: metric(emptyInbox, `${name}Ms`),
    unit: 'ms',
    good: 'at most',
    ...(gate !== undefined && { gate }),
  }),
);

export const goals: readonly Goal[] = [
  {
    number: 1,
    what: 'recordPageView from memory / bare',
    suite: 'memory',
    ours: perSecond(api),
    other: perSecond(bare),
    unit: 'requests/s',
    good: 'at least',
    gate: 0.2,
    stretch: 0.4,
  },
  ...recordGoals,
  {
    ...bulk,
    what: 'recordPageViews of 100 / textbook createMany',
    ours: perSecond(api),
    other: perSecond(textbook),
    gate: 6,
    stretch: 9,
  },
  {
    ...bulk,
    what: 'recordPageViews of 100 / textbook, worker included',
    ours: perSecond(apiAndWorker),
    other: perSecond(textbook),
  },
  {
    ...bulk,
    what: 'recordPageViews of 100 / bare, group commit',
    ours: perSecond(api),
    other: perSecond(bare),
    gate: 0.6,
    stretch: 0.85,
  },
  {
    ...consume,
    what: 'log in Postgres to committed badge / bare unnest insert of the rows',
    ours: perSecond(workerOnPostgres),
    other: perSecond(bareOnPostgres),
    gate: 0.5,
    stretch: 0.7,
  },
  {
    ...consume,
    what: 'log in Kafka to committed badge / bare unnest insert of the rows',
    ours: perSecond(workerOnKafka),
    other: perSecond(bareOnKafka),
    gate: 0.5,
    stretch: 0.7,
  },
  {
    ...consume,
    what: 'two workers on one core / one worker',
    ours: perSecond(twoWorkers),
    other: perSecond(workerOnKafka),
  },
  {
    number: 6,
    what: 'User.stats over 2000 views, p50 / bare SQL',
    suite: 'stats',
    ours: metric(api, 'p50Ms'),
    other: metric(bareSql, 'p50Ms'),
    unit: 'ms',
    good: 'at most',
    gate: 2,
    stretch: 1.3,
  },
  {
    ...live,
    number: 7,
    what: 'badge push, 2000/s to 10k sockets, p50 / raw hub',
    ours: metric(api, 'p50Ms'),
    other: metric(hub, 'p50Ms'),
    unit: 'ms',
    gate: 2,
    stretch: 1.2,
  },
  {
    ...live,
    number: 7,
    what: 'badge push, 2000/s to 10k sockets, p99 / raw hub',
    ours: metric(api, 'p99Ms'),
    other: metric(hub, 'p99Ms'),
    unit: 'ms',
    gate: 3,
    stretch: 1.8,
  },
  {
    ...live,
    suite: 'broadcast',
    number: 8,
    what: 'broadcast to 10k sockets, p50 / raw hub',
    ours: metric(api, 'p50Ms'),
    other: metric(hub, 'p50Ms'),
    unit: 'ms',
    gate: 1.5,
    stretch: 1.1,
  },
  {
    ...live,
    number: 9,
    what: 'memory per idle subscriber / raw socket',
    ours: metric(api, 'kBPerSocket'),
    other: metric(hub, 'kBPerSocket'),
    unit: 'KB',
    gate: 2.5,
    stretch: 1.8,
  },
  {
    ...push,
    what: 'sendNotification to badge on a socket, p50 / floor',
    ours: metric(apiAndWorker, 'p50Ms'),
    other: metric(floor, 'p50Ms'),
    gate: 3,
    stretch: 1.5,
  },
  {
    ...push,
    what: 'sendNotification to badge on a socket, p99 / floor',
    ours: metric(apiAndWorker, 'p99Ms'),
    other: metric(floor, 'p99Ms'),
    gate: 4,
    stretch: 2,
  },
  ...inboxGoals,
  {
    number: 14,
    what: 'first inbox page among 10 million notifications, p50 / among 10 000',
    suite: 'table',
    ours: metric(largeTable, 'pageMs'),
    other: metric(smallTable, 'pageMs'),
    unit: 'ms',
    good: 'at most',
    gate: 1.5,
  },
  ...['p50', 'p99'].map(
    (which): Goal => ({
      ...push,
      what: `sendNotification to badge on another process, through Kafka and Redis, ${which} / floor`,
      ours: metric(acrossProcesses, `${which}Ms`),
      other: metric(floor, `${which}Ms`),
    }),
  ),
  {
    number: 11,
    what: 'limit events from the log to the projection / page views',
    suite: 'limit events',
    ours: perSecond(limitEvents),
    other: perSecond(pageViews),
    unit: 'events/s',
    good: 'at least',
    gate: 1 / 3,
  },
  {
    number: 12,
    what: 'User.limits of 50 limits, p50 / plain SELECT',
    suite: 'limits',
    ours: metric(api, 'p50Ms'),
    other: metric(bareSql, 'p50Ms'),
    unit: 'ms',
    good: 'at most',
    gate: 2,
  },
  {
    ...metrics,
    what: 'log in Postgres to committed badge with metrics / without',
    ours: perSecond(countingOnPostgres),
    other: perSecond(workerOnPostgres),
    gate: 0.85,
  },
  {
    ...metrics,
    what: 'log in Kafka to committed badge with metrics / without',
    ours: perSecond(countingOnKafka),
    other: perSecond(workerOnKafka),
  },
  {
    number: 16,
    what: 'activityMetrics of 30 days by hour, p50 / bare SQL over the rollup',
    suite: 'activity',
    ours: metric(api, 'p50Ms'),
    other: metric(bareSql, 'p50Ms'),
    unit: 'ms',
    good: 'at most',
    gate: 2,
  },
  ...statsSizes.flatMap((size) =>
    (['p50', 'p99'] as const).map(
      (which): Goal => ({
        number: 17,
        what: `User.stats over ${size} views among 5 million, ${which} / bare SQL`,
        suite: 'stats sizes',
        ours: metric(api, `${which}Ms@${size}`),
        other: metric(bareSql, `${which}Ms@${size}`),
        unit: 'ms',
        good: 'at most',
        // This is the gate of goal 6. Ratios for fewer views have no gate, because the request itself then
        // takes most of the time.
        ...(which === 'p50' && size >= 2_000 && { gate: 2, stretch: 1.3 }),
      }),
    ),
  ),
  ...flushSizes.map(
    (size): Goal => ({
      number: 18,
      what: `counting in flushes of ${size} / of ${flushSizes.at(-1)}`,
      suite: 'flush size',
      ours: perSecond(flushesOf(size)),
      other: perSecond(flushesOf(flushSizes.at(-1) as number)),
      unit: 'events/s',
      good: 'at least',
    }),
  ),
];

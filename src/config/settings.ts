import { z } from 'zod';
import { serverUrls } from '../ports/server-urls.ts';

const list = (values: string) =>
  values
    .split(',')
    .map((value) => value.trim())
    .filter((value) => value !== '');

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `a whole number from ${min} to ${max}`);

const onOff = z.enum(['on', 'off'], 'on or off');

/** The groups of settings, in the order of the manual. */
export const settingGroups = {
  server: 'The process',
  access: 'Authentication and browsers',
  postgres: 'PostgreSQL',
  kafka: 'Kafka',
  redis: 'Redis and pushes',
  callers: 'Limits per caller',
  notifications: 'Notifications, items and limits',
  metrics: 'Metrics and alerts',
  retention: 'Retention',
} as const;

/** The description of a setting. `.env.example`, the manual and error messages contain it. */
interface About {
  readonly group: keyof typeof settingGroups;
  /** The unit of the number. Absent if the value is not a number with a unit. */
  readonly unit?: string;
  readonly about: string;
  readonly example: string;
  readonly secret?: boolean;
}

const setting = <Schema extends z.ZodType>(schema: Schema, about: About) => ({ schema, ...about });

const limitTypes = ['BALANCE', 'BET', 'DEPOSIT', 'LOSS', 'SESSION', 'UNKNOWN'] as const;

/**
 * The thresholds of each type of limit in percent, ascending. An empty list means that limits of this type
 * never notify the user.
 */
export type LimitThresholds = Readonly<Record<(typeof limitTypes)[number], readonly number[]>>;

/**
 * Parses entries of the form `TYPE=percent+percent`. Returns undefined if an entry is malformed, or if its
 * type is unknown or occurs twice.
 */
function thresholdsOf(entries: readonly string[]): LimitThresholds | undefined {
  const chosen = new Map<string, readonly number[]>();
  for (const entry of entries) {
    const [, type = '', percents = ''] = /^([A-Z]+|\*)=((?:[1-9]\d{0,2}(?:\+(?!$)|$))*)$/.exec(entry) ?? [];
    if (![...limitTypes, '*'].includes(type) || chosen.has(type)) return undefined;
    chosen.set(type, percents.split('+').filter(Boolean).map(Number));
  }
  const percentsOf = (type: string) => (chosen.get(type) ?? chosen.get('*') ?? []).toSorted((a, b) => a - b);
  return Object.fromEntries(limitTypes.map((type) => [type, percentsOf(type)])) as unknown as LimitThresholds;
}

const singleHostUrl = z.url({ protocol: /^postgres(ql)?$/ });

/** A connection URL of PostgreSQL. The URL may contain several hosts. */
const databaseUrl = z
  .string()
  .refine(
    (url) => serverUrls(url).every((serverUrl) => singleHostUrl.safeParse(serverUrl).success),
    'a postgresql:// URL',
  )
  .refine(
    (url) => /^(any|primary|read-write)?$/.test(/[?&]target_session_attrs=([^&]*)/.exec(url)?.[1] ?? ''),
    'target_session_attrs=read-write, primary or any, because Unseen writes',
  );

/** All environment variables that Unseen reads. An empty value counts as unset. */
export const settings = {
  HOST: setting(z.string().default('127.0.0.1'), {
    group: 'server',
    about: 'The address on which the server listens. 0.0.0.0 means every address of the machine.',
    example: '127.0.0.1',
  }),
  PORT: setting(integer(0, 65_535).default(4000), {
    group: 'server',
    about: 'The port for HTTP and WebSocket. 0 picks a free port.',
    example: '4000',
  }),
  DATA_DIR: setting(z.string().default('.unseen'), {
    group: 'server',
    about: 'The directory of the embedded PostgreSQL and of the generated secret.',
    example: '.unseen',
  }),
  DATABASE_URL: setting(databaseUrl.optional(), {
    group: 'postgres',
    about:
      'The URL of a PostgreSQL server, version 15 or newer. If unset, Unseen runs an embedded PostgreSQL in DATA_DIR. The URL may name several hosts, such as host1:5432,host2:5432. With several hosts, or with target_session_attrs=read-write, every connection goes to the first host that accepts writes.',
    example: 'postgresql://unseen:password@localhost:5432/unseen',
    secret: true,
  }),
  DATABASE_POOL_SIZE: setting(integer(4, 500).default(10), {
    group: 'postgres',
    unit: 'connections',
    about:
      'The maximum number of connections to PostgreSQL per process. The connection that consumes the log does not count. A fifth of the connections is reserved for the worker and the log.',
    example: '10',
  }),
  KAFKA_BROKERS: setting(
    z
      .string()
      .transform(list)
      .pipe(
        z.array(z.string().regex(/^[^\s:/]+:\d{1,5}$/, 'host:port, separated by commas')).min(1, 'host:port'),
      )
      .optional(),
    {
      group: 'kafka',
      about:
        'The brokers of a Kafka cluster, version 2.4 or newer, as host:port separated by commas. If unset, the log is a table in PostgreSQL.',
      example: 'localhost:9092',
    },
  ),
  KAFKA_TOPICS: setting(
    z
      .string()
      .transform(list)
      .pipe(z.array(z.string().regex(/^[\w.-]+=[\w.-]+$/, 'ours=yours, separated by commas')))
      .transform((pairs) => Object.fromEntries(pairs.map((pair) => pair.split('=') as [string, string])))
      .optional(),
    {
      group: 'kafka',
      about:
        'Other names for the Kafka topics of Unseen, as ours=yours separated by commas. The dead letters of a renamed topic go to the topic yours.dlq.',
      example: 'incoming.user_activity=shop.page-views',
    },
  ),
  NAMESPACE: setting(
    z
      .string()
      .regex(/^[\w.-]{0,60}$/, 'up to 60 of A-Z a-z 0-9 _ . -')
      .default(''),
    {
      group: 'kafka',
      about:
        'A prefix for every Kafka topic and consumer group, and for every Redis channel and key. With different prefixes, several installations can share Kafka and Redis.',
      example: 'shop.',
    },
  ),
  KAFKA_CLIENT_ID: setting(
    z
      .string()
      .regex(/^[\w.-]{1,100}$/, '1 to 100 of A-Z a-z 0-9 _ . -')
      .default('unseen'),
    {
      group: 'kafka',
      about: 'The client id that this process sends to Kafka.',
      example: 'unseen',
    },
  ),
  KAFKA_SSL: setting(onOff.default('off'), {
    group: 'kafka',
    about:
      'Whether connections to Kafka use TLS. Unseen trusts the certificate authorities of Node.js and of the file that NODE_EXTRA_CA_CERTS names.',
    example: 'on',
  }),
  KAFKA_SASL_MECHANISM: setting(
    z.enum(['plain', 'scram-sha-256', 'scram-sha-512'], 'plain, scram-sha-256 or scram-sha-512').optional(),
    {
      group: 'kafka',
      about:
        'The SASL mechanism for the login to Kafka: plain, scram-sha-256 or scram-sha-512. If unset, Unseen connects without a login.',
      example: 'scram-sha-512',
    },
  ),
  KAFKA_SASL_USERNAME: setting(z.string().optional(), {
    group: 'kafka',
    about: 'The user name for the login to Kafka.',
    example: 'unseen',
  }),
  KAFKA_SASL_PASSWORD: setting(z.string().optional(), {
    group: 'kafka',
    about: 'The password for the login to Kafka.',
    example: 'password',
    secret: true,
  }),
  KAFKA_PARTITIONS: setting(integer(1, 1_000).default(6), {
    group: 'kafka',
    unit: 'partitions per topic',
    about:
      'The number of partitions of each topic that Unseen creates. At most this number of workers share the work. The number does not change existing topics.',
    example: '6',
  }),
  KAFKA_REPLICATION_FACTOR: setting(integer(1, 10).optional(), {
    group: 'kafka',
    unit: 'copies',
    about:
      'The number of copies of each partition in topics that Unseen creates. If unset, the broker decides.',
    example: '3',
  }),
  KAFKA_SESSION_TIMEOUT_SEC: setting(integer(1, 300).default(6), {
    group: 'kafka',
    unit: 'seconds',
    about:
      'If Kafka hears nothing from a worker for this many seconds, Kafka gives the partitions of the worker to other workers. Brokers with default settings accept 6 seconds or more.',
    example: '6',
  }),
  KAFKA_COMPRESSION: setting(z.enum(['none', 'gzip'], 'none or gzip').default('none'), {
    group: 'kafka',
    about: 'The compression of the records that Unseen writes to Kafka: none or gzip.',
    example: 'gzip',
  }),
  REDIS_URL: setting(z.url({ protocol: /^rediss?$/, error: 'a redis:// or rediss:// URL' }).optional(), {
    group: 'redis',
    about:
      'The URL of a Redis server, version 6.2 or newer, for pub/sub and cached badges. If unset, pub/sub works inside one process and Unseen caches nothing.',
    example: 'redis://localhost:6379',
    secret: true,
  }),
  REDIS_CLUSTER: setting(onOff.default('off'), {
    group: 'redis',
    about:
      'Whether REDIS_URL names a node of a Redis Cluster, version 7.0 or newer. If on, Unseen uses sharded pub/sub.',
    example: 'on',
  }),
  ROLES: setting(
    z
      .string()
      .transform(list)
      .pipe(z.array(z.enum(['api', 'worker'], 'api, worker or both')).min(1, 'api, worker or both'))
      .default(['api', 'worker']),
    {
      group: 'server',
      about: 'The roles of this process, separated by commas: api answers requests, worker applies events.',
      example: 'api,worker',
    },
  ),
  AUTH_SECRET: setting(z.string().min(32, 'at least 32 characters').optional(), {
    group: 'access',
    about:
      'The secret that signs and verifies tokens (HS256), at least 32 characters. If neither AUTH_SECRET nor AUTH_JWKS_URL is set, Unseen generates a secret in DATA_DIR.',
    example: 'at-least-32-random-characters-here',
    secret: true,
  }),
  AUTH_JWKS_URL: setting(z.url({ protocol: /^https?$/, error: 'an http(s) URL' }).optional(), {
    group: 'access',
    about:
      'The URL of the key set that verifies tokens. Set AUTH_JWKS_URL instead of AUTH_SECRET if an identity provider issues the tokens.',
    example: 'https://id.example.com/.well-known/jwks.json',
  }),
  AUTH_ISSUER: setting(z.string().optional(), {
    group: 'access',
    about: 'The `iss` claim that a token must have. If unset, Unseen does not check `iss`.',
    example: 'https://id.example.com/',
  }),
  AUTH_AUDIENCE: setting(z.string().optional(), {
    group: 'access',
    about: 'The `aud` claim that a token must have. If unset, Unseen does not check `aud`.',
    example: 'unseen',
  }),
  CORS_ORIGINS: setting(z.string().transform(list).default([]), {
    group: 'access',
    about:
      'The origins whose pages may call the API, separated by commas, or * for all origins. If unset, only the pages of this server may call the API.',
    example: 'https://app.example.com,https://admin.example.com',
  }),
  RATE_LIMIT_PER_USER: setting(integer(0, 100_000).default(50), {
    group: 'callers',
    unit: 'points per second',
    about:
      'The number of points that a user gets per second from each process. A user can collect the unused points of at most five seconds. Each request, socket and subscription costs 1 point. A larger operation costs 1 more point for every 20 units of its query cost, and 1 more point for every 5 items in its input. 0 means no limit.',
    example: '50',
  }),
  RATE_LIMIT_PER_SERVICE: setting(integer(0, 1_000_000).default(5_000), {
    group: 'callers',
    unit: 'points per second',
    about:
      'The number of points that a service or an admin gets per second from each process. Operations cost as many points as with RATE_LIMIT_PER_USER. 0 means no limit.',
    example: '5000',
  }),
  RATE_LIMIT_PER_ADDRESS: setting(integer(0, 100_000).default(20), {
    group: 'callers',
    unit: 'requests and sockets per second',
    about:
      'The maximum number of requests and sockets without a valid token that one address may send to each process per second. 0 means no limit.',
    example: '20',
  }),
  MAX_IN_FLIGHT_PER_USER: setting(integer(1, 10_000).default(10), {
    group: 'callers',
    unit: 'operations',
    about:
      'The maximum number of operations of one user that each process runs at once. The same number of further operations waits. Unseen refuses all operations above that.',
    example: '10',
  }),
  MAX_IN_FLIGHT_PER_TENANT: setting(integer(1, 100_000).default(200), {
    group: 'callers',
    unit: 'operations',
    about:
      'The maximum number of operations of one tenant that each process runs at once, for all users and services of the tenant together. Further operations wait. One service may run at most half of this number at once.',
    example: '200',
  }),
  QUOTA_PER_USER: setting(integer(0, 1_000_000_000).default(10_000), {
    group: 'callers',
    unit: 'events per day',
    about:
      'The maximum number of events that each process records for one user per day (UTC). The quota applies separately to (1) page views, other activity and viewed items, (2) notifications and (3) events of limits. 0 means no limit.',
    example: '10000',
  }),
  QUOTA_PER_TENANT: setting(integer(0, 1_000_000_000).default(100_000_000), {
    group: 'callers',
    unit: 'events per day',
    about:
      'The maximum number of events that each process records for one tenant per day (UTC). The quota applies separately to the three groups of QUOTA_PER_USER, to published items, and to created or changed users. 0 means no limit.',
    example: '100000000',
  }),
  INTROSPECTION: setting(onOff.optional(), {
    group: 'access',
    about:
      'Whether clients may read the schema by introspection. If unset, clients may read the schema unless NODE_ENV is production.',
    example: 'on',
  }),
  RETENTION_DAYS: setting(integer(1, 3_650).default(183), {
    group: 'retention',
    unit: 'days',
    about:
      'The minimum number of days that Unseen keeps page views, other activity and metrics. A window of stats can have at most this many days.',
    example: '183',
  }),
  FLUSH_INTERVAL_SEC: setting(integer(1, 30).default(30), {
    group: 'metrics',
    unit: 'seconds',
    about: 'A worker collects activity for this many seconds before it writes the metrics.',
    example: '30',
  }),
  BATCH_SIZE: setting(integer(1, 50_000).default(2_000), {
    group: 'metrics',
    unit: 'records',
    about:
      'A worker that has collected this many records writes the metrics without waiting for FLUSH_INTERVAL_SEC.',
    example: '2000',
  }),
  MAX_ACTIVITY_TYPES: setting(integer(1, 10_000).default(200), {
    group: 'metrics',
    unit: 'types',
    about:
      'The maximum number of types of activity that the metrics count by name per tenant, not including page views. Further types, and types of more than 64 bytes, count as `other`. Set the same value for all workers.',
    example: '200',
  }),
  ALERT_USERS: setting(
    z
      .string()
      .transform(list)
      .pipe(z.array(z.string().regex(/^[A-Za-z0-9_.-]{1,64}\/.{1,128}$/, 'tenant/user, separated by commas')))
      .default([]),
    {
      group: 'metrics',
      about:
        'The users who get a notification if their tenant had an unusual number of page views in an hour, as tenant/user separated by commas. If unset, no user gets these notifications.',
      example: 'default/alice',
    },
  ),
  ALERT_MIN_COUNT: setting(integer(1, 1_000_000_000).default(100), {
    group: 'metrics',
    unit: 'page views',
    about:
      'The minimum number of page views for an alert. Unseen ignores an hour if both the page views of this hour and the mean of the same hour on other days are below this number.',
    example: '100',
  }),
  LOCKED_CATEGORIES: setting(
    z
      .string()
      .transform(list)
      .pipe(
        z.array(
          z
            .string()
            .regex(/^[A-Za-z0-9_.:-]{1,64}$/, '1 to 64 of A-Z a-z 0-9 _ . : - each, separated by commas'),
        ),
      )
      .default(['security']),
    {
      group: 'notifications',
      about:
        'The locked categories, separated by commas. Users always receive critical notifications of a locked category, even if they have opted out.',
      example: 'security,billing',
    },
  ),
  VIEW_HORIZON_DAYS: setting(integer(1, 3_650).default(183), {
    group: 'notifications',
    unit: 'days',
    about:
      'The view horizon. A published item counts as unseen for at most this many days. Unseen remembers for at least this many days that a user viewed an item. If you raise the value, items that no longer counted still do not count.',
    example: '183',
  }),
  ANNOUNCE_DELIVERIES: setting(onOff.default('on'), {
    group: 'notifications',
    about:
      'Whether Unseen publishes every delivered notification on the topic user-notification-created, for services that send e-mail, SMS or push. Set ANNOUNCE_DELIVERIES to off if no service consumes the topic.',
    example: 'off',
  }),
  LIMIT_THRESHOLDS: setting(
    z
      .string()
      .transform((value, context) => {
        const thresholds = thresholdsOf(list(value));
        if (thresholds) return thresholds;
        const message = `TYPE=percent+percent separated by commas, each of ${limitTypes.join(', ')} or * once, percentages from 1 to 999`;
        context.addIssue({ code: 'custom', message });
        return z.NEVER;
      })
      .prefault('*=80+100'),
    {
      group: 'notifications',
      about:
        'The percentages of a limit at which Unseen notifies the user, as TYPE=percent+percent separated by commas. The type * means every type that is not listed. A type with no percentage after the = never notifies.',
      example: '*=80+100,SESSION=90',
    },
  ),
  LOG_RETENTION_DAYS: setting(integer(1, 365).default(7), {
    group: 'retention',
    unit: 'days',
    about:
      'The number of days that the log keeps events. The setting does not change Kafka topics that Unseen did not create. LOG_RETENTION_DAYS must not be greater than DEDUPE_DAYS.',
    example: '7',
  }),
  NOTIFICATION_RETENTION_DAYS: setting(integer(1, 3_650).default(183), {
    group: 'retention',
    unit: 'days',
    about:
      'The number of days that Unseen keeps a notification after it was read, canceled or suppressed, or after it expired. Unseen does not delete unread notifications.',
    example: '183',
  }),
  DEDUPE_DAYS: setting(integer(1, 365).default(30), {
    group: 'retention',
    unit: 'days',
    about:
      'The number of days for which Unseen recognises repeated events and idempotency keys. DEDUPE_DAYS must not be smaller than LOG_RETENTION_DAYS.',
    example: '30',
  }),
  LIMIT_HISTORY_DAYS: setting(integer(1, 3_650).default(1_095), {
    group: 'retention',
    unit: 'days',
    about:
      'The number of days that Unseen keeps the history of limits. Unseen does not delete the state of a limit, or the events from which the state is computed.',
    example: '1095',
  }),
  UNKNOWN_USER_WAIT_SEC: setting(integer(1, 3_600).default(30), {
    group: 'notifications',
    unit: 'seconds',
    about:
      'If the user of a notification does not exist, the notification waits for this many seconds. Then the notification becomes a dead letter. Meanwhile, later notifications of the same user wait too. Notifications of other users do not wait.',
    example: '30',
  }),
  DEAD_LETTER_RETENTION_DAYS: setting(integer(1, 3_650).default(90), {
    group: 'retention',
    unit: 'days',
    about: 'The number of days that Unseen keeps dead letters.',
    example: '90',
  }),
  RESYNC_INTERVAL_SEC: setting(integer(1, 3_600).default(30), {
    group: 'redis',
    unit: 'seconds',
    about:
      'The interval at which each process reads all watched badges again. If a push is lost, the client receives the change after at most this time.',
    example: '30',
  }),
  SHUTDOWN_TIMEOUT_SEC: setting(integer(1, 600).default(10), {
    group: 'server',
    unit: 'seconds',
    about: 'After SIGTERM, running requests may take at most this many seconds.',
    example: '10',
  }),
  LOG_LEVEL: setting(
    z
      .enum(['debug', 'info', 'warn', 'error', 'silent'], 'debug, info, warn, error or silent')
      .default('info'),
    {
      group: 'server',
      about: 'The lowest level that Unseen logs: debug, info, warn, error or silent.',
      example: 'info',
    },
  ),
  NODE_ENV: setting(z.string().default('development'), {
    group: 'server',
    about:
      'With `production`, a process that answers requests does not start without AUTH_SECRET or AUTH_JWKS_URL, and INTROSPECTION defaults to off.',
    example: 'production',
  }),
} as const;

export type Settings = {
  readonly [Key in keyof typeof settings]: z.output<(typeof settings)[Key]['schema']>;
};

/**
 * Returns the text of `.env.example`. The text has every setting with its description and its default. A
 * setting without a default has an example.
 */
export function envExample(): string {
  const entries = Object.entries(settings).map(([key, { schema, about, example }]) => {
    const hasDefault = schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault;
    const byDefault = hasDefault ? [schema.def.defaultValue].flat().join(',') : '';
    return byDefault === ''
      ? `# ${about} For example:\n# ${key}=${example}`
      : `# ${about}\n# ${key}=${byDefault}`;
  });
  return `# Unseen reads these settings from the environment. None is required. Each line shows the default, or an example after the words "For example".\n\n${entries.join('\n\n')}\n`;
}

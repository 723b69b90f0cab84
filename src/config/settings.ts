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

/** What can be said about a setting beside its schema. `.env.example`, the manual and error messages are made from it. */
interface About {
  readonly group: keyof typeof settingGroups;
  /** Of a number that counts something. */
  readonly unit?: string;
  readonly about: string;
  readonly example: string;
  readonly secret?: boolean;
}

const setting = <Schema extends z.ZodType>(schema: Schema, about: About) => ({ schema, ...about });

const limitTypes = ['BALANCE', 'BET', 'DEPOSIT', 'LOSS', 'SESSION', 'UNKNOWN'] as const;

/** Percentages by type of limit, ascending. */
export type LimitThresholds = Readonly<Record<(typeof limitTypes)[number], readonly number[]>>;

/** undefined when it cannot be read, or a type is unknown or named twice. */
function thresholdsOf(entries: readonly string[]): LimitThresholds | undefined {
  const chosen = new Map<string, readonly number[]>();
  for (const entry of entries) {
    const [, type = '', percents = ''] = /^([A-Z]+|\*)=((?:[1-9]\d{0,2}(?:\+(?!$)|$))*)$/.exec(entry) ?? [];
    if (![...limitTypes, '*'].includes(type) || chosen.has(type)) return undefined;
    chosen.set(type, percents.split('+').filter(Boolean).map(Number));
  }
  const of = (type: string) => (chosen.get(type) ?? chosen.get('*') ?? []).toSorted((a, b) => a - b);
  return Object.fromEntries(limitTypes.map((type) => [type, of(type)])) as unknown as LimitThresholds;
}

const oneDatabaseUrl = z.url({ protocol: /^postgres(ql)?$/ });

/** One that may name several hosts. */
const databaseUrl = z
  .string()
  .refine(
    (url) => serverUrls(url).every((one) => oneDatabaseUrl.safeParse(one).success),
    'a postgresql:// URL',
  )
  .refine(
    (url) => /^(any|primary|read-write)?$/.test(/[?&]target_session_attrs=([^&]*)/.exec(url)?.[1] ?? ''),
    'target_session_attrs=read-write, primary or any: Unseen writes',
  );

/** Every environment variable Unseen reads. An empty value counts as unset. */
export const settings = {
  HOST: setting(z.string().default('127.0.0.1'), {
    group: 'server',
    about: 'Address to listen on. 0.0.0.0 for all.',
    example: '127.0.0.1',
  }),
  PORT: setting(integer(0, 65_535).default(4000), {
    group: 'server',
    about: 'Port for HTTP and WebSocket; 0 takes a free one.',
    example: '4000',
  }),
  DATA_DIR: setting(z.string().default('.unseen'), {
    group: 'server',
    about: 'Where the embedded Postgres and the generated secret live.',
    example: '.unseen',
  }),
  DATABASE_URL: setting(databaseUrl.optional(), {
    group: 'postgres',
    about:
      'A PostgreSQL server, 15 or newer. Unset: an embedded one in DATA_DIR. With several hosts, host1:5432,host2:5432, or with target_session_attrs=read-write, every connection goes to the first of them that accepts writes.',
    example: 'postgresql://unseen:password@localhost:5432/unseen',
    secret: true,
  }),
  DATABASE_POOL_SIZE: setting(integer(4, 500).default(10), {
    group: 'postgres',
    unit: 'connections',
    about:
      'Connections to Postgres per process, one more for consuming not counted. A fifth of them is kept for the worker and the log.',
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
        'Brokers of a Kafka cluster, 2.4 or newer, host:port separated by commas. Unset: the log is a table.',
      example: 'localhost:9092',
    },
  ),
  KAFKA_TOPICS: setting(
    z
      .string()
      .transform(list)
      .pipe(z.array(z.string().regex(/^[\w.-]+=[\w.-]+$/, 'ours=theirs, separated by commas')))
      .transform((pairs) => Object.fromEntries(pairs.map((pair) => pair.split('=') as [string, string])))
      .optional(),
    {
      group: 'kafka',
      about: 'Other names for topics, ours=theirs separated by commas. Their dead letters go to theirs.dlq.',
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
        'Before every topic and group in Kafka and every channel and key in Redis, so that installations can share them.',
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
      about: 'What this process calls itself towards Kafka.',
      example: 'unseen',
    },
  ),
  KAFKA_SSL: setting(onOff.default('off'), {
    group: 'kafka',
    about:
      'Whether connections to Kafka are encrypted (TLS), by the authorities Node knows and those of the file NODE_EXTRA_CA_CERTS.',
    example: 'on',
  }),
  KAFKA_SASL_MECHANISM: setting(
    z.enum(['plain', 'scram-sha-256', 'scram-sha-512'], 'plain, scram-sha-256 or scram-sha-512').optional(),
    {
      group: 'kafka',
      about: 'How to log in to Kafka: plain, scram-sha-256 or scram-sha-512.',
      example: 'scram-sha-512',
    },
  ),
  KAFKA_SASL_USERNAME: setting(z.string().optional(), {
    group: 'kafka',
    about: 'Login for Kafka.',
    example: 'unseen',
  }),
  KAFKA_SASL_PASSWORD: setting(z.string().optional(), {
    group: 'kafka',
    about: 'Password for Kafka.',
    example: 'password',
    secret: true,
  }),
  KAFKA_PARTITIONS: setting(integer(1, 1_000).default(6), {
    group: 'kafka',
    unit: 'partitions per topic',
    about:
      'Partitions of topics that are created here: the most workers that share the work. Existing topics stay.',
    example: '6',
  }),
  KAFKA_REPLICATION_FACTOR: setting(integer(1, 10).optional(), {
    group: 'kafka',
    unit: 'copies',
    about: 'Copies of each partition of topics that are created here. Unset: as the broker has it.',
    example: '3',
  }),
  KAFKA_SESSION_TIMEOUT_SEC: setting(integer(1, 300).default(6), {
    group: 'kafka',
    unit: 'seconds',
    about:
      'How long a worker may be silent before Kafka gives its partitions to others, in seconds. Brokers take 6 or more by default.',
    example: '6',
  }),
  KAFKA_COMPRESSION: setting(z.enum(['none', 'gzip'], 'none or gzip').default('none'), {
    group: 'kafka',
    about: 'How records are compressed: none or gzip.',
    example: 'gzip',
  }),
  REDIS_URL: setting(z.url({ protocol: /^rediss?$/, error: 'a redis:// or rediss:// URL' }).optional(), {
    group: 'redis',
    about: 'A Redis server, 6.2 or newer, for pub/sub and caching. Unset: inside the process.',
    example: 'redis://localhost:6379',
    secret: true,
  }),
  REDIS_CLUSTER: setting(onOff.default('off'), {
    group: 'redis',
    about: 'Whether REDIS_URL is a node of a Redis Cluster, 7.0 or newer: sharded pub/sub.',
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
      about: 'What this process does: api answers requests, worker applies events.',
      example: 'api,worker',
    },
  ),
  AUTH_SECRET: setting(z.string().min(32, 'at least 32 characters').optional(), {
    group: 'access',
    about: 'Secret that tokens are signed with (HS256), at least 32 characters.',
    example: 'at-least-32-random-characters-here',
    secret: true,
  }),
  AUTH_JWKS_URL: setting(z.url({ protocol: /^https?$/, error: 'an http(s) URL' }).optional(), {
    group: 'access',
    about: 'Key set of the issuer of tokens, instead of AUTH_SECRET.',
    example: 'https://id.example.com/.well-known/jwks.json',
  }),
  AUTH_ISSUER: setting(z.string().optional(), {
    group: 'access',
    about: 'The `iss` a token must have. Unset: not checked.',
    example: 'https://id.example.com/',
  }),
  AUTH_AUDIENCE: setting(z.string().optional(), {
    group: 'access',
    about: 'The `aud` a token must have. Unset: not checked.',
    example: 'unseen',
  }),
  CORS_ORIGINS: setting(z.string().transform(list).default([]), {
    group: 'access',
    about:
      'Origins whose pages may call the API, separated by commas, or *. Unset: only pages served from here.',
    example: 'https://app.example.com,https://admin.example.com',
  }),
  RATE_LIMIT_PER_USER: setting(integer(0, 100_000).default(50), {
    group: 'callers',
    unit: 'points per second',
    about:
      'Points per second of a user in each process; up to five times as many at once. A request, socket or subscription costs 1 point, and 1 more for every 20 of its cost and every 5 items it brings. 0 = any number.',
    example: '50',
  }),
  RATE_LIMIT_PER_SERVICE: setting(integer(0, 1_000_000).default(5_000), {
    group: 'callers',
    unit: 'points per second',
    about: 'The same for each service and admin. 0 = any number.',
    example: '5000',
  }),
  RATE_LIMIT_PER_ADDRESS: setting(integer(0, 100_000).default(20), {
    group: 'callers',
    unit: 'requests and sockets per second',
    about: 'Requests and sockets per second of an address without a valid token. 0 = any number.',
    example: '20',
  }),
  MAX_IN_FLIGHT_PER_USER: setting(integer(1, 10_000).default(10), {
    group: 'callers',
    unit: 'operations',
    about: 'Operations of a user that each process runs at once. As many again wait; more are refused.',
    example: '10',
  }),
  MAX_IN_FLIGHT_PER_TENANT: setting(integer(1, 100_000).default(200), {
    group: 'callers',
    unit: 'operations',
    about:
      'Operations of all users and services of a tenant that each process runs at once; more wait. A service runs at most half of these.',
    example: '200',
  }),
  QUOTA_PER_USER: setting(integer(0, 1_000_000_000).default(10_000), {
    group: 'callers',
    unit: 'events per day',
    about:
      'Page views, other activity and viewed items together, and as many notifications and events of limits, that each process records for a user per day of UTC. 0 = any number.',
    example: '10000',
  }),
  QUOTA_PER_TENANT: setting(integer(0, 1_000_000_000).default(100_000_000), {
    group: 'callers',
    unit: 'events per day',
    about: 'The same for a tenant, and as many published items and created or changed users.',
    example: '100000000',
  }),
  INTROSPECTION: setting(onOff.optional(), {
    group: 'access',
    about: 'Whether clients may read the schema. Unset: on, off with NODE_ENV=production.',
    example: 'on',
  }),
  RETENTION_DAYS: setting(integer(1, 3_650).default(183), {
    group: 'retention',
    unit: 'days',
    about:
      'How long page views, other activity and the metrics are kept at least, and the longest window of stats, in days.',
    example: '183',
  }),
  FLUSH_INTERVAL_SEC: setting(integer(1, 30).default(30), {
    group: 'metrics',
    unit: 'seconds',
    about: 'How long a worker gathers activity before it writes the metrics, in seconds.',
    example: '30',
  }),
  BATCH_SIZE: setting(integer(1, 50_000).default(2_000), {
    group: 'metrics',
    unit: 'records',
    about: 'After how many records read it writes the metrics at once.',
    example: '2000',
  }),
  MAX_ACTIVITY_TYPES: setting(integer(1, 10_000).default(200), {
    group: 'metrics',
    unit: 'types',
    about:
      'How many types of activity a tenant counts by name, page views not counted, of at most 64 bytes; further types count as `other`. Set the same for all workers.',
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
        'Users, tenant/user separated by commas, who are notified when an hour of their tenant is unusual. Unset: nobody.',
      example: 'default/alice',
    },
  ),
  ALERT_MIN_COUNT: setting(integer(1, 1_000_000_000).default(100), {
    group: 'metrics',
    unit: 'page views',
    about: 'How many page views an hour, or that hour on other days, must have to be unusual.',
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
        'Categories whose critical notifications reach users whatever these have chosen, separated by commas.',
      example: 'security,billing',
    },
  ),
  VIEW_HORIZON_DAYS: setting(integer(1, 3_650).default(183), {
    group: 'notifications',
    unit: 'days',
    about:
      'How long a published item counts as unseen, and a view of it is remembered, in days. What no longer counts stays so when it is raised.',
    example: '183',
  }),
  ANNOUNCE_DELIVERIES: setting(onOff.default('on'), {
    group: 'notifications',
    about:
      'Whether each delivered notification is announced on the topic user-notification-created, for services that send e-mail, SMS or push. Off where nobody listens.',
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
        'When users are told that a limit runs out, in percent of its value: TYPE=percent+percent separated by commas, * for every other type, nothing behind = for never.',
      example: '*=80+100,SESSION=90',
    },
  ),
  LOG_RETENTION_DAYS: setting(integer(1, 365).default(7), {
    group: 'retention',
    unit: 'days',
    about: 'How long events stay in the log, in days; of topics created here. Never longer than DEDUPE_DAYS.',
    example: '7',
  }),
  NOTIFICATION_RETENTION_DAYS: setting(integer(1, 3_650).default(183), {
    group: 'retention',
    unit: 'days',
    about:
      'How long notifications are kept after they were read, were canceled, expired or suppressed, in days. Unread ones stay.',
    example: '183',
  }),
  DEDUPE_DAYS: setting(integer(1, 365).default(30), {
    group: 'retention',
    unit: 'days',
    about:
      'How long repeated events and idempotency keys are recognised, in days; not shorter than LOG_RETENTION_DAYS.',
    example: '30',
  }),
  LIMIT_HISTORY_DAYS: setting(integer(1, 3_650).default(1_095), {
    group: 'retention',
    unit: 'days',
    about:
      'How long the history of limits is kept, in days. Their state stays, with the events it stands on.',
    example: '1095',
  }),
  UNKNOWN_USER_WAIT_SEC: setting(integer(1, 3_600).default(30), {
    group: 'notifications',
    unit: 'seconds',
    about:
      'How long a notification waits for its user to exist, in seconds, before it becomes a dead letter. Nothing waits behind it but later ones for the same user.',
    example: '30',
  }),
  DEAD_LETTER_RETENTION_DAYS: setting(integer(1, 3_650).default(90), {
    group: 'retention',
    unit: 'days',
    about: 'How long dead letters are kept, in days.',
    example: '90',
  }),
  RESYNC_INTERVAL_SEC: setting(integer(1, 3_600).default(30), {
    group: 'redis',
    unit: 'seconds',
    about: 'How often watched badges are read again, in seconds: the longest a lost push can go unnoticed.',
    example: '30',
  }),
  SHUTDOWN_TIMEOUT_SEC: setting(integer(1, 600).default(10), {
    group: 'server',
    unit: 'seconds',
    about: 'How long requests under way may take after SIGTERM, in seconds.',
    example: '10',
  }),
  LOG_LEVEL: setting(
    z
      .enum(['debug', 'info', 'warn', 'error', 'silent'], 'debug, info, warn, error or silent')
      .default('info'),
    { group: 'server', about: 'debug, info, warn, error or silent.', example: 'info' },
  ),
  NODE_ENV: setting(z.string().default('development'), {
    group: 'server',
    about: 'With `production`, a start without configured authentication is refused.',
    example: 'production',
  }),
} as const;

export type Settings = {
  readonly [Key in keyof typeof settings]: z.output<(typeof settings)[Key]['schema']>;
};

/** The text of `.env.example`: every setting, what it means, its default or, where there is none, an example. */
export function envExample(): string {
  const entries = Object.entries(settings).map(([key, { schema, about, example }]) => {
    const hasDefault = schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault;
    const byDefault = hasDefault ? [schema.def.defaultValue].flat().join(',') : '';
    return byDefault === ''
      ? `# ${about} For example:\n# ${key}=${example}`
      : `# ${about}\n# ${key}=${byDefault}`;
  });
  return `# Unseen reads these from the environment. Nothing has to be set: what is commented out is the default, or said to be an example.\n\n${entries.join('\n\n')}\n`;
}

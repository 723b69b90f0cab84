import type { z } from 'zod';
import { misspellings } from './misspellings.ts';
import { type LimitThresholds, type Settings, settings } from './settings.ts';

/** The configuration of a process, checked and frozen. */
export interface Config {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly databaseUrl: string | undefined;
  readonly databasePoolSize: number;
  /** undefined if the log is a table in PostgreSQL. */
  readonly kafka:
    | {
        readonly brokers: readonly string[];
        readonly clientId: string;
        readonly namespace: string;
        /** Maps topics of Unseen to the topics to use instead. A topic that is not a key keeps its name. */
        readonly renamed: Readonly<Record<string, string>>;
        readonly ssl: boolean;
        readonly sasl:
          | {
              readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
              readonly username: string;
              readonly password: string;
            }
          | undefined;
        readonly partitions: number;
        /** undefined means the default of the broker. */
        readonly replicationFactor: number | undefined;
        readonly compression: 'none' | 'gzip';
        readonly sessionTimeoutMs: number;
      }
    | undefined;
  /** undefined if pub/sub works inside the process. */
  readonly redis: { readonly url: string; readonly cluster: boolean; readonly namespace: string } | undefined;
  readonly roles: ReadonlySet<'api' | 'worker'>;
  readonly auth: {
    /**
     * If both `secret` and `jwksUrl` are undefined, the process uses a secret in the data directory, and
     * creates the secret if there is none.
     */
    readonly secret: string | undefined;
    readonly jwksUrl: string | undefined;
    readonly issuer: string | undefined;
    readonly audience: string | undefined;
  };
  readonly corsOrigins: readonly string[];
  /** Points per second. 0 means no limit. */
  readonly rateLimit: {
    readonly perUser: number;
    readonly perService: number;
    readonly perAddress: number;
  };
  /** The maximum numbers of operations that run at once. */
  readonly inFlight: { readonly perUser: number; readonly perTenant: number };
  /** The maximum numbers of events per day that each process records. 0 means no limit. */
  readonly dailyQuota: { readonly perUser: number; readonly perTenant: number };
  readonly introspection: boolean;
  readonly retentionDays: number;
  readonly flushIntervalMs: number;
  readonly batchSize: number;
  readonly maxActivityTypes: number;
  readonly alert: {
    readonly users: readonly { readonly tenantId: string; readonly userId: string }[];
    readonly minCount: number;
  };
  readonly lockedCategories: readonly string[];
  readonly viewHorizonDays: number;
  readonly announcesDeliveries: boolean;
  readonly unknownUserWaitMs: number;
  readonly limitThresholds: LimitThresholds;
  /** Maps each kind of data to the number of days for which Unseen keeps it. */
  readonly retention: Readonly<Record<Kept, number>>;
  readonly resyncMs: number;
  readonly shutdownTimeoutMs: number;
  readonly logLevel: string;
}

/** The kinds of data that expire. */
type Kept =
  | 'pageViews'
  | 'activity'
  | 'itemViews'
  | 'earlyItemViews'
  | 'notifications'
  | 'changes'
  | 'limitHistory'
  | 'marks'
  | 'idempotencyKeys'
  | 'deadLetters'
  | 'log';

/** The problems of an environment. The message has one line per problem. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(
      `The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${problems.join('\n')}`,
    );
    this.name = 'ConfigError';
  }
}

/** Reads the configuration from the environment. Throws ConfigError with all problems at once. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const { values, problems } = parseSettings(env);
  throwProblems(problems, env);
  throwProblems([...problemsOfAuth(values), ...problemsOfBackends(values)], env);
  return configOf(values);
}

/** Parses every setting. If there are problems, the values are incomplete. */
function parseSettings(env: NodeJS.ProcessEnv): {
  readonly values: Settings;
  readonly problems: readonly string[];
} {
  const problems: string[] = [];
  const entries = Object.entries(settings).map(([key, { schema, example, ...about }]) => {
    const given = env[key] === '' ? undefined : env[key];
    const parsed = (schema as z.ZodType).safeParse(given);
    if (parsed.success) return [key, parsed.data];
    const got = 'secret' in about && about.secret ? 'a value that is not shown' : `"${given}"`;
    problems.push(
      `  ${key}: got ${got}, expected ${parsed.error.issues[0]?.message}, for example ${example}`,
    );
    return [key, undefined];
  });
  return { values: Object.fromEntries(entries) as Settings, problems };
}

function throwProblems(problems: readonly string[], env: NodeJS.ProcessEnv): void {
  if (problems.length === 0) return;
  // Adds hints, because a setting that seems to be missing may be misspelt.
  const hints = misspellings(env).map(
    ({ variable, meant }) => `  ${variable} is not a setting: did you mean ${meant}?`,
  );
  throw new ConfigError([...problems, ...hints]);
}

function configOf(values: Settings): Config {
  return Object.freeze({
    host: values.HOST,
    port: values.PORT,
    dataDir: values.DATA_DIR,
    databaseUrl: values.DATABASE_URL,
    databasePoolSize: values.DATABASE_POOL_SIZE,
    kafka: kafkaOf(values),
    redis: redisOf(values),
    roles: new Set(values.ROLES),
    auth: Object.freeze({
      secret: values.AUTH_SECRET,
      jwksUrl: values.AUTH_JWKS_URL,
      issuer: values.AUTH_ISSUER,
      audience: values.AUTH_AUDIENCE,
    }),
    corsOrigins: values.CORS_ORIGINS,
    rateLimit: Object.freeze({
      perUser: values.RATE_LIMIT_PER_USER,
      perService: values.RATE_LIMIT_PER_SERVICE,
      perAddress: values.RATE_LIMIT_PER_ADDRESS,
    }),
    inFlight: Object.freeze({
      perUser: values.MAX_IN_FLIGHT_PER_USER,
      perTenant: values.MAX_IN_FLIGHT_PER_TENANT,
    }),
    dailyQuota: Object.freeze({ perUser: values.QUOTA_PER_USER, perTenant: values.QUOTA_PER_TENANT }),
    introspection: isOn(values.INTROSPECTION ?? (isProduction(values) ? 'off' : 'on')),
    retentionDays: values.RETENTION_DAYS,
    flushIntervalMs: values.FLUSH_INTERVAL_SEC * 1000,
    batchSize: values.BATCH_SIZE,
    maxActivityTypes: values.MAX_ACTIVITY_TYPES,
    alert: Object.freeze({ users: alertUsersOf(values), minCount: values.ALERT_MIN_COUNT }),
    lockedCategories: values.LOCKED_CATEGORIES,
    viewHorizonDays: values.VIEW_HORIZON_DAYS,
    announcesDeliveries: isOn(values.ANNOUNCE_DELIVERIES),
    limitThresholds: values.LIMIT_THRESHOLDS,
    retention: retentionOf(values),
    unknownUserWaitMs: values.UNKNOWN_USER_WAIT_SEC * 1000,
    resyncMs: values.RESYNC_INTERVAL_SEC * 1000,
    shutdownTimeoutMs: values.SHUTDOWN_TIMEOUT_SEC * 1000,
    logLevel: values.LOG_LEVEL,
  });
}

const isOn = (value: 'on' | 'off') => value === 'on';

const isProduction = (values: Settings) => values.NODE_ENV === 'production';

function kafkaOf(values: Settings): Config['kafka'] {
  if (!values.KAFKA_BROKERS) return undefined;
  return Object.freeze({
    brokers: values.KAFKA_BROKERS,
    clientId: values.KAFKA_CLIENT_ID,
    namespace: values.NAMESPACE,
    renamed: values.KAFKA_TOPICS ?? {},
    ssl: isOn(values.KAFKA_SSL),
    sasl:
      values.KAFKA_SASL_MECHANISM &&
      Object.freeze({
        mechanism: values.KAFKA_SASL_MECHANISM,
        username: values.KAFKA_SASL_USERNAME ?? '',
        password: values.KAFKA_SASL_PASSWORD ?? '',
      }),
    partitions: values.KAFKA_PARTITIONS,
    replicationFactor: values.KAFKA_REPLICATION_FACTOR,
    compression: values.KAFKA_COMPRESSION,
    sessionTimeoutMs: values.KAFKA_SESSION_TIMEOUT_SEC * 1000,
  });
}

function redisOf(values: Settings): Config['redis'] {
  if (values.REDIS_URL === undefined) return undefined;
  return Object.freeze({
    url: values.REDIS_URL,
    cluster: isOn(values.REDIS_CLUSTER),
    namespace: values.NAMESPACE,
  });
}

function alertUsersOf({ ALERT_USERS }: Settings): Config['alert']['users'] {
  return ALERT_USERS.map((user) => {
    const slash = user.indexOf('/');
    return { tenantId: user.slice(0, slash), userId: user.slice(slash + 1) };
  });
}

function retentionOf(values: Settings): Config['retention'] {
  return Object.freeze({
    pageViews: values.RETENTION_DAYS,
    activity: values.RETENTION_DAYS,
    // An item counts until one view horizon after its publication. Users may view the item up to one horizon
    // before its publication, so a view matters for up to two horizons. One more day covers differences
    // between clocks.
    itemViews: 2 * values.VIEW_HORIZON_DAYS + 1,
    // A user may view an item before its publisher publishes it, but not much earlier.
    earlyItemViews: 1,
    // A stream can resume after any change of the last 7 days.
    changes: 7,
    limitHistory: values.LIMIT_HISTORY_DAYS,
    notifications: values.NOTIFICATION_RETENTION_DAYS,
    marks: values.DEDUPE_DAYS,
    idempotencyKeys: values.DEDUPE_DAYS,
    deadLetters: values.DEAD_LETTER_RETENTION_DAYS,
    log: values.LOG_RETENTION_DAYS,
  });
}

/** Returns the problems of the settings for authentication, each with the fix. */
function problemsOfAuth(values: Settings): readonly string[] {
  const { AUTH_SECRET, AUTH_JWKS_URL } = values;
  if (AUTH_SECRET !== undefined && AUTH_JWKS_URL !== undefined)
    return [
      '  AUTH_SECRET and AUTH_JWKS_URL are both set, but Unseen verifies tokens with one of them: unset the other',
    ];
  const isConfigured = AUTH_SECRET !== undefined || AUTH_JWKS_URL !== undefined;
  if (isConfigured || !isProduction(values) || !values.ROLES.includes('api')) return [];
  return [
    '  AUTH_SECRET or AUTH_JWKS_URL: NODE_ENV is production, so tokens need a configured key: set one of them',
  ];
}

/** Returns the problems of settings that cannot work together, each with the reason and the fix. */
function problemsOfBackends(values: Settings): readonly string[] {
  const problems: string[] = [];
  const [role] = values.ROLES;
  if (new Set(values.ROLES).size === 1) {
    if (values.DATABASE_URL === undefined)
      problems.push(
        `  ROLES: got "${role}" alone, but no other process can use the embedded PostgreSQL: set DATABASE_URL, or run api,worker together`,
      );
    if (values.REDIS_URL === undefined)
      problems.push(
        `  ROLES: got "${role}" alone, but pushes do not reach other processes without Redis: set REDIS_URL, or run api,worker together`,
      );
  }
  const login = [values.KAFKA_SASL_MECHANISM, values.KAFKA_SASL_USERNAME, values.KAFKA_SASL_PASSWORD];
  const given = login.filter((value) => value !== undefined).length;
  if (given > 0 && given < login.length)
    problems.push(
      '  KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD go together: set all three, or none',
    );
  if (values.KAFKA_BROKERS === undefined && (given > 0 || values.KAFKA_SSL === 'on'))
    problems.push(
      '  KAFKA_SSL and KAFKA_SASL_… have no effect without KAFKA_BROKERS: set KAFKA_BROKERS, or unset the others',
    );
  if (values.DEDUPE_DAYS < values.LOG_RETENTION_DAYS)
    problems.push(
      `  DEDUPE_DAYS: got ${values.DEDUPE_DAYS}, but the log can repeat events for ${values.LOG_RETENTION_DAYS} days: set DEDUPE_DAYS to LOG_RETENTION_DAYS or more`,
    );
  if (values.REDIS_URL === undefined && values.REDIS_CLUSTER === 'on')
    problems.push('  REDIS_CLUSTER has no effect without REDIS_URL: set REDIS_URL, or unset REDIS_CLUSTER');
  return problems;
}

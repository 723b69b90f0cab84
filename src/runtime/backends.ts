import { setTimeout as delay } from 'node:timers/promises';
import { type Logger as Pino, pino } from 'pino';
import pretty from 'pino-pretty';
import { createJwtAuthenticator, type KeySource, signToken } from '../adapters/jwt/authenticator.ts';
import { createDemoCode, createDemoSessions, demoUser } from '../adapters/jwt/demo-sessions.ts';
import { examineKafka } from '../adapters/kafka/doctor.ts';
import { createKafkaEventLog } from '../adapters/kafka/event-log.ts';
import type { KafkaOptions } from '../adapters/kafka/options.ts';
import { replayKafka } from '../adapters/kafka/replay.ts';
import { problemOfDirectory } from '../adapters/local/data-directory.ts';
import { createLocalPubSub } from '../adapters/local/pub-sub.ts';
import { examineSecret, findSecret, readOrCreateSecret } from '../adapters/local/secret.ts';
import { connect } from '../adapters/postgres/connection.ts';
import { examinePostgres } from '../adapters/postgres/doctor.ts';
import { findEmbeddedPostgres } from '../adapters/postgres/embedded/embedded.ts';
import { missingRight, reasonOf } from '../adapters/postgres/error.ts';
import { createCallersStore } from '../adapters/postgres/lanes.ts';
import { createPostgresEventLog } from '../adapters/postgres/log/event-log.ts';
import {
  bindToLog,
  describeLogInUse,
  expectSameLog,
  isSameLog,
  type LogInUse,
  logInUse,
  moveToLog,
} from '../adapters/postgres/log/log-in-use.ts';
import { migrationsDirectory } from '../adapters/postgres/server/migrate.ts';
import {
  expectMigrated,
  migrateOn,
  openPostgres,
  type PostgresLocation,
} from '../adapters/postgres/server/server.ts';
import { createPostgresStore } from '../adapters/postgres/store.ts';
import { createPostgresOutbox } from '../adapters/postgres/tables/outbox.ts';
import { createRedisBadgeCache } from '../adapters/redis/badge-cache.ts';
import { examineRedis } from '../adapters/redis/doctor.ts';
import { createRedisPubSub } from '../adapters/redis/pub-sub.ts';
import type { Backends } from '../app.ts';
import type { Config } from '../config/config.ts';
import type { Role } from '../domain/caller.ts';
import { AppError, isRetriable } from '../domain/error.ts';
import { notificationCreatedTopic, topics } from '../events/topic.ts';
import { noBadgeCache } from '../ports/badge-cache.ts';
import { systemClock } from '../ports/clock.ts';
import type { Finding } from '../ports/finding.ts';
import { type Logger, silent, withoutKnownTraces } from '../ports/logger.ts';
import { serverUrls } from '../ports/server-urls.ts';

// Also for what a start or a command finds out later than here.
export { missingRight };

export interface RuntimeOptions {
  /** Keeps nothing: an embedded Postgres in a temporary directory, without waiting for the disk. */
  readonly ephemeral: boolean;
}

/** The backends, chosen one by one from the configuration, and how to let go of them. */
export interface Runtime {
  readonly backends: Backends;
  /** For people: what each backend is. */
  readonly description: {
    readonly store: string;
    readonly log: string;
    readonly pubSub: string;
    readonly auth: string;
  };
  close(): Promise<void>;
}

/** JSON lines on standard output; readable ones on a terminal. */
export function createLogger(level: string): Logger & Pick<Pino, 'flush'> {
  const options = { level, serializers: { err: serializeError } };
  return process.stdout.isTTY ? pino(options, pretty({ sync: true, ignore: 'pid,hostname' })) : pino(options);
}

/**
 * An error for whoever reads a log or a terminal: its message and trace, those of its causes, and its codes. Never the
 * objects a client library hangs on it, which hold what was sent: ioredis' `command` has the password of an AUTH.
 */
export function serializeError(error: unknown): SerializedError {
  if (!(error instanceof Error)) return { message: String(error) };
  const { type, message, stack } = pino.stdSerializers.err(error);
  const codes = Object.entries(error).filter(([, value]) => /^(string|number|boolean)$/.test(typeof value));
  // Which node of a cluster, which of several addresses refused, and why.
  const { lastNodeError, errors } = error as { lastNodeError?: unknown; errors?: unknown };
  return {
    ...Object.fromEntries(codes),
    type,
    message: withoutArguments(message),
    stack: withoutArguments(stack),
    ...(lastNodeError instanceof Error && { lastNodeError: serializeError(lastNodeError) }),
    ...(Array.isArray(errors) && { aggregateErrors: errors.map(serializeError) }),
  };
}

interface SerializedError extends Readonly<Record<string, unknown>> {
  readonly message: string;
  readonly stack?: string;
}

/** Redis repeats the arguments of a command it does not know. */
function withoutArguments(text: string): string {
  return text.replaceAll(/, with args beginning with: .*/g, '');
}

export async function createRuntime(
  config: Config,
  options: RuntimeOptions,
  everything: Logger,
): Promise<Runtime> {
  const logger = withoutKnownTraces(everything);
  if (options.ephemeral && config.databaseUrl !== undefined) {
    const message =
      '--ephemeral keeps nothing and brings its own PostgreSQL: unset DATABASE_URL, or leave --ephemeral out.';
    throw new AppError('START_REFUSED', message);
  }
  // Its group would take events from those who keep them.
  if (options.ephemeral && config.kafka) {
    const message =
      '--ephemeral keeps nothing, but would consume from Kafka for others: unset KAFKA_BROKERS.';
    throw new AppError('START_REFUSED', message);
  }
  const clock = systemClock;
  const keys = keySource(config, options);
  const authenticator = createJwtAuthenticator({ keys, clock }, config.auth);
  const postgres = await openPostgres({ logger }, locationOf(config, options));
  try {
    const database = connect(postgres.connection, { maxConnections: config.databasePoolSize });
    const { connection } = postgres;
    const store = createPostgresStore(database, { holdsLog: config.kafka === undefined });
    const log = config.kafka
      ? createKafkaEventLog({ logger, onFatal }, kafkaOptions(config, config.kafka))
      : createPostgresEventLog({ database, connection, logger });
    const outbox = createPostgresOutbox({ database, connection });
    const pubSub = config.redis ? createRedisPubSub({ logger }, config.redis) : createLocalPubSub();
    const cache = config.redis ? createRedisBadgeCache({ logger }, config.redis) : noBadgeCache;
    const demoSessions =
      isAuthConfigured(config) || !('secret' in keys)
        ? undefined
        : createDemoSessions({ secret: keys.secret, clock }, config.auth);
    return {
      backends: {
        async prepare(signal) {
          const reach = async () => {
            await migrateOn({ logger }, postgres.connection);
            await bindToLog(database.pool, logOf(config));
          };
          await waitForBackend(describePostgres(config), reach, { signal, logger });
          if (demoSessions)
            await store.transaction((transaction) => transaction.ensureUsers([demoUser], clock.now()));
        },
        store,
        callers: createCallersStore(store, { poolSize: config.databasePoolSize }),
        log,
        outbox,
        pubSub,
        cache,
        authenticator,
        clock,
        logger,
        names: {
          store: async () => `PostgreSQL ${await store.version()}${postgres.isEmbedded ? ' (embedded)' : ''}`,
          log: config.kafka ? 'Kafka' : 'PostgreSQL',
          pubSub: config.redis ? `Redis${config.redis.cluster ? ' Cluster' : ''}` : 'in process',
        },
        demoSessions,
      },
      description: {
        store: options.ephemeral ? 'embedded PostgreSQL, nothing is kept' : describePostgres(config),
        log: describeLog(config),
        pubSub: describePubSub(config),
        auth: describeAuth(config, options),
      },
      async close() {
        await log.close();
        await pubSub.close();
        await cache.close();
        await store.close();
        await postgres.close();
      },
    };
  } catch (error) {
    await postgres.close();
    throw error;
  }
}

/** What nothing here can mend ends the process, the way an error does that nobody handles: in order, and with 1. */
function onFatal(error: Error): void {
  setImmediate(() => {
    throw error;
  });
}

function kafkaOptions(
  { retention, announcesDeliveries }: Config,
  { replicationFactor = -1, sasl, ...kafka }: NonNullable<Config['kafka']>,
): KafkaOptions {
  const consumed: readonly string[] = Object.values(topics);
  const ours = [...consumed, notificationCreatedTopic];
  const unknown = Object.keys(kafka.renamed).filter((name) => !ours.includes(name));
  if (unknown.length > 0) {
    const message = `KAFKA_TOPICS: there is no topic ${unknown.join(', ')} to rename; there are ${ours.join(', ')}.`;
    throw new AppError('START_REFUSED', message);
  }
  return {
    ...kafka,
    ...(sasl && { sasl }),
    replicationFactor,
    retentionMs: retention.log * 86_400_000,
    topics: announcesDeliveries ? ours : consumed,
    heartbeatIntervalMs: Math.min(3_000, kafka.sessionTimeoutMs / 3),
  };
}

/** The log that a process is told to use. */
function logOf({ kafka }: Config): LogInUse {
  return kafka ? { kind: 'kafka', namespace: kafka.namespace } : { kind: 'postgres', namespace: '' };
}

function describeLog({ kafka }: Config): string {
  return kafka ? `Kafka at ${kafka.brokers.join(', ')}` : 'a table in the same Postgres';
}

function describePubSub({ redis }: Config): string {
  return redis
    ? `Redis${redis.cluster ? ' Cluster' : ''} at ${new URL(redis.url).host}`
    : 'inside this process';
}

/** Applies pending migrations and lets go again; their names. */
export async function runMigrations(config: Config, logger: Logger): Promise<readonly string[]> {
  const postgres = await openPostgres({ logger }, locationOf(config, { ephemeral: false }));
  try {
    return (await migrateOn({ logger }, postgres.connection)).applied;
  } catch (error) {
    throw toStartError(error);
  } finally {
    await postgres.close();
  }
}

/** What was found of each backend, without changing anything. */
export async function examine(config: Config): Promise<readonly Examination[]> {
  const { kafka, redis, dataDir } = config;
  return Promise.all([
    examination(describePostgres(config), examineStore(config)),
    ...(kafka ? [examination(describeLog(config), examineKafka(kafkaOptions(config, kafka)))] : []),
    ...(redis ? [examination(describePubSub(config), examineRedis(redis))] : []),
    ...(!isAuthConfigured(config)
      ? [examination(describeAuth(config, { ephemeral: false }), Promise.resolve([examineSecret(dataDir)]))]
      : []),
  ]);
}

/** A backend, and what was found of it. */
export interface Examination {
  readonly backend: string;
  readonly findings: readonly Finding[];
}

async function examination(backend: string, findings: Promise<readonly Finding[]>): Promise<Examination> {
  return { backend, findings: await findings };
}

async function examineStore(config: Config): Promise<readonly Finding[]> {
  const { databaseUrl, dataDir, databasePoolSize: poolSize } = config;
  const options = { migrations: migrationsDirectory, poolSize, log: logOf(config) };
  if (databaseUrl !== undefined) return examinePostgres({ connectionString: databaseUrl }, options);
  const running = findEmbeddedPostgres(dataDir);
  if (running) return examinePostgres({ ...running, ssl: false }, options);
  const problem = problemOfDirectory(dataDir);
  if (problem === undefined) return [{ state: 'ok', found: 'not running; `unseen start` starts it' }];
  const fix = 'Make DATA_DIR writable, set another, or set DATABASE_URL to a PostgreSQL server.';
  return [{ state: 'failed', found: `not running, and cannot be started: ${problem}`, fix }];
}

/** What is reached only by a command that needs it. */
type Live = Pick<Backends, 'log' | 'pubSub' | 'cache'>;

/**
 * The store, for a command that works beside a server that may be running. An embedded PostgreSQL that does not run is
 * started, brought up to date and stopped again. Rejects with START_REFUSED when the database cannot be reached, or is not
 * up to date.
 */
export async function openStore(
  config: Config,
): Promise<
  Pick<Backends, 'store' | 'clock'> & { readonly live: () => Promise<Live>; close(): Promise<void> }
> {
  const { store, database, connection, close } = await openDatabase(config);
  let live: Live | undefined;
  return {
    store,
    clock: systemClock,
    async live() {
      expectSameLog(await logInUse(database.pool), logOf(config));
      live ??= {
        log: config.kafka
          ? createKafkaEventLog({ logger: silent, onFatal }, kafkaOptions(config, config.kafka))
          : createPostgresEventLog({ database, connection, logger: silent }),
        pubSub: config.redis ? createRedisPubSub({ logger: silent }, config.redis) : createLocalPubSub(),
        cache: config.redis ? createRedisBadgeCache({ logger: silent }, config.redis) : noBadgeCache,
      };
      return live;
    },
    async close() {
      await live?.log.close();
      await live?.pubSub.close();
      await live?.cache.close();
      await close();
    },
  };
}

/**
 * The log, for such a command. Rejects with START_REFUSED when the database is to hold it and cannot be reached, or belongs to
 * another log.
 */
export async function openLog(
  config: Config,
): Promise<Pick<Backends, 'log' | 'clock'> & { close(): Promise<void> }> {
  const clock = systemClock;
  if (config.kafka) {
    const log = createKafkaEventLog({ logger: silent, onFatal }, kafkaOptions(config, config.kafka));
    return { log, clock, close: () => log.close() };
  }
  const { database, connection, close } = await openDatabase(config);
  try {
    expectSameLog(await logInUse(database.pool), logOf(config));
  } catch (error) {
    await close();
    throw error;
  }
  const log = createPostgresEventLog({ database, connection, logger: silent });
  return { log, clock, close: () => log.close().then(close) };
}

/**
 * Moves the database to another log; what was done, in a sentence. What the log before holds and no group of `readers`, by
 * topic, has read is lost to them: rejects with START_REFUSED when there is any, or nobody can say, unless it is to be left.
 */
export async function useLog(
  config: Config,
  kind: LogInUse['kind'],
  {
    leaveUnread,
    readers,
  }: { readonly leaveUnread: boolean; readonly readers: Readonly<Record<string, readonly string[]>> },
): Promise<string> {
  const told: LogInUse = kind === 'kafka' ? logOf(config) : { kind, namespace: '' };
  if (told.kind !== kind) {
    const message = 'Set KAFKA_BROKERS, and NAMESPACE, as the processes will have them.';
    throw new AppError('START_REFUSED', message);
  }
  const { database, close } = await openDatabase(config);
  try {
    const used = (await logInUse(database.pool)) ?? { kind: 'postgres', namespace: '' };
    const before = describeLogInUse(used);
    if (isSameLog(used, told)) {
      await moveToLog(database.pool, told);
      return `This database uses ${before} already.`;
    }
    const unread = await unreadIn(used, config, readers);
    const held = `Records that no worker has read in ${before}: ${unread ?? 'unknown without KAFKA_BROKERS'}`;
    if (unread !== 0 && !leaveUnread) {
      const advice =
        'Let workers with the settings until now read them, or leave them there with --leave-unread.';
      throw new AppError('START_REFUSED', `${held}. ${advice}`);
    }
    await moveToLog(database.pool, told);
    return `This database uses ${describeLogInUse(told)} from now on. ${held}.`;
  } finally {
    await close();
  }
}

/** How far the group is behind that is furthest; undefined when there is no Kafka to be asked. */
async function unreadIn(
  { kind, namespace }: LogInUse,
  config: Config,
  readers: Readonly<Record<string, readonly string[]>>,
): Promise<number | undefined> {
  if (kind === 'kafka' && !config.kafka) return undefined;
  const kafka = kind === 'kafka' && config.kafka ? { ...config.kafka, namespace } : undefined;
  const { log, close } = await openLog({ ...config, kafka });
  const lagOf = (group: string) =>
    log.lag(
      group,
      Object.keys(readers).filter((topic) => readers[topic]?.includes(group)),
    );
  try {
    const groups = new Set(Object.values(readers).flat());
    return Math.max(...(await Promise.all([...groups].map(lagOf))).map(Number));
  } finally {
    await close();
  }
}

async function openDatabase(config: Config) {
  const running = config.databaseUrl === undefined ? findEmbeddedPostgres(config.dataDir) : undefined;
  const postgres = running
    ? { connection: { ...running, ssl: false }, close: async () => {} }
    : await openPostgres({ logger: silent }, locationOf(config, { ephemeral: false }));
  const { connection } = postgres;
  const database = connect(connection, { maxConnections: 4 });
  const store = createPostgresStore(database);
  const close = async () => {
    await store.close();
    await postgres.close();
  };
  try {
    // What others run, others bring up to date.
    if (!running && config.databaseUrl === undefined) await migrateOn({ logger: silent }, connection);
    else await expectMigrated(connection);
    return { store, database, connection, close };
  } catch (error) {
    await close();
    throw toStartError(error);
  }
}

/**
 * Has the workers consume a topic of Kafka again from a moment on; how many records each group has before it. Rejects with
 * START_REFUSED when that cannot be.
 */
export async function replay(
  { kafka, ...config }: Config,
  {
    topic,
    from,
    groups,
  }: { readonly topic: string; readonly from: Date; readonly groups: readonly string[] },
): Promise<ReadonlyMap<string, bigint>> {
  if (!kafka) {
    const message =
      'The log is a table, which keeps nothing to replay. Set KAFKA_BROKERS, or see `unseen rebuild`.';
    throw new AppError('START_REFUSED', message);
  }
  const days = config.retention.marks;
  if (from.getTime() < systemClock.now().getTime() - days * 86_400_000) {
    const message = `Events are recognised for ${days} days (DEDUPE_DAYS): what is older would count twice. Replay from a later day.`;
    throw new AppError('START_REFUSED', message);
  }
  return replayKafka(kafkaOptions({ kafka, ...config }, kafka), { topic, from, groups });
}

/** A database that cannot be reached, as a sentence for whoever ran the command. */
function toStartError(error: unknown): unknown {
  const refused = missingRight(error);
  if (refused) return refused;
  if (!isRetriable(error)) return error;
  const { cause } = error as Error;
  const message = `The database cannot be reached: ${reasonOf(cause)}. Check DATABASE_URL.`;
  return new AppError('START_REFUSED', message, { cause });
}

/** A token as `unseen token` prints it. Rejects with START_REFUSED when tokens are signed elsewhere. */
export async function createToken(
  config: Config,
  token: {
    readonly subject: string;
    readonly role: Role;
    readonly tenantId: string;
    readonly expiresIn: string;
  },
): Promise<string> {
  const keys = keySource(config, { ephemeral: false });
  if (!('secret' in keys)) {
    throw new AppError(
      'START_REFUSED',
      `Tokens are signed by the issuer behind AUTH_JWKS_URL; get one there.`,
    );
  }
  const { issuer, audience } = config.auth;
  return signToken(keys.secret, { ...token, issuer, audience });
}

function keySource({ auth, dataDir }: Config, { ephemeral }: RuntimeOptions): KeySource {
  if (auth.jwksUrl !== undefined) return { jwksUrl: auth.jwksUrl };
  if (auth.secret !== undefined) return { secret: auth.secret };
  return { secret: ephemeral ? crypto.randomUUID() + crypto.randomUUID() : readOrCreateSecret(dataDir) };
}

/** Whether the environment says who signs tokens; otherwise a secret of ours does. */
function isAuthConfigured({ auth }: Config): boolean {
  return auth.secret !== undefined || auth.jwksUrl !== undefined;
}

/**
 * A code that opens the demo of the server which runs on the same data directory. Rejects with START_REFUSED when there is
 * none, or its tokens are signed elsewhere.
 */
export function createOpenCode(config: Config): string {
  if (isAuthConfigured(config)) {
    const message =
      'AUTH_SECRET or AUTH_JWKS_URL is set, so the server has its own sign-in and its pages open by no link. Paste a token into the page.';
    throw new AppError('START_REFUSED', message);
  }
  const secret = findSecret(config.dataDir);
  if (secret !== undefined) return createDemoCode({ secret, clock: systemClock });
  const message = `${config.dataDir} holds no secret. Run this with the DATA_DIR of the server; one started with --ephemeral has none and prints its only link itself.`;
  throw new AppError('START_REFUSED', message);
}

function describeAuth({ auth, dataDir }: Config, { ephemeral }: RuntimeOptions): string {
  if (auth.jwksUrl !== undefined) return `tokens of ${auth.jwksUrl}`;
  if (auth.secret !== undefined) return 'tokens signed with AUTH_SECRET';
  return `tokens signed with a secret of this ${ephemeral ? 'process' : `machine, in ${dataDir}/auth-secret`}`;
}

function describePostgres({ databaseUrl, dataDir }: Config): string {
  if (databaseUrl === undefined) return `embedded PostgreSQL in ${dataDir}`;
  const servers = serverUrls(databaseUrl).map((url) => new URL(url));
  return `PostgreSQL at ${servers.map(({ host }) => host).join(', ')}${servers[0]?.pathname ?? ''}`;
}

/** Where `openPostgres` finds or starts the server. */
const locationOf = ({ databaseUrl, dataDir }: Config, { ephemeral }: RuntimeOptions): PostgresLocation =>
  ephemeral ? { ephemeral } : databaseUrl === undefined ? { dataDir } : { url: databaseUrl };

/** Tries until the backend answers: it may start after us. What waiting cannot mend is rejected with at once. */
async function waitForBackend<T>(
  backend: string,
  reach: () => Promise<T>,
  { signal, logger }: { readonly signal: AbortSignal; readonly logger: Logger },
): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const reached = await reach();
      if (attempt > 0) logger.info({ attempt }, `${backend} is there`);
      return reached;
    } catch (err) {
      signal.throwIfAborted();
      if (!isRetriable(err)) throw err;
      // The first says that it began, then one line a minute or so.
      if (attempt % 12 === 0) logger.warn({ err, attempt }, `${backend} cannot be reached; waiting for it`);
      await delay(Math.min(5_000, 250 * 2 ** attempt), undefined, { signal });
    }
  }
}

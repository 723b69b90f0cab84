import { createJwtAuthenticator } from '../adapters/jwt/authenticator.ts';
import { createDemoSessions, demoUser } from '../adapters/jwt/demo-sessions.ts';
import { createCallersStore } from '../adapters/postgres/lanes.ts';
import { bindToLog } from '../adapters/postgres/log/log-in-use.ts';
import { migrateOn } from '../adapters/postgres/server/server.ts';
import type { Backends } from '../app.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../domain/error.ts';
import type { Authenticator } from '../ports/authenticator.ts';
import { systemClock } from '../ports/clock.ts';
import type { DemoSessions } from '../ports/demo-sessions.ts';
import { type Logger, withoutKnownTraces } from '../ports/logger.ts';
import { describeAuth, isAuthConfigured, keySource, type RuntimeOptions } from './auth.ts';
import { createBackends, type LazyBackends } from './backends.ts';
import { describePostgres, openServerDatabase, waitForBackend } from './database.ts';
import { chooseLog } from './log.ts';
import { choosePubSub } from './pub-sub.ts';

/** The open backends of a server process. */
export interface Runtime {
  readonly backends: Backends;
  /** The descriptions of the backends in the banner of `unseen start`. */
  readonly description: {
    readonly store: string;
    readonly log: string;
    readonly pubSub: string;
    readonly auth: string;
  };
  close(): Promise<void>;
}

/**
 * Opens every backend for a server process. Rejects with START_REFUSED if `--ephemeral` contradicts the
 * configuration.
 */
export async function createRuntime(
  config: Config,
  options: RuntimeOptions,
  logger: Logger,
): Promise<Runtime> {
  expectNothingToKeep(config, options);
  const terse = withoutKnownTraces(logger);
  const authentication = createAuthentication(config, options);
  const lazy = createBackends(config, {
    logger: terse,
    openDatabase: () => openServerDatabase(config, options, terse),
  });
  try {
    return {
      backends: await openAll(config, lazy, { ...authentication, logger: terse }),
      description: {
        store: options.ephemeral ? 'embedded PostgreSQL, keeps no data' : describePostgres(config),
        log: chooseLog(config).description,
        pubSub: choosePubSub(config).description,
        auth: describeAuth(config, options),
      },
      close: lazy.close,
    };
  } catch (error) {
    await lazy.close();
    throw error;
  }
}

function expectNothingToKeep(config: Config, { ephemeral }: RuntimeOptions): void {
  if (ephemeral && config.databaseUrl !== undefined) {
    const message =
      '--ephemeral keeps no data and runs its own PostgreSQL. Unset DATABASE_URL, or start without --ephemeral.';
    throw new AppError('START_REFUSED', message);
  }
  // An ephemeral worker would join the consumer group of the permanent workers, and would take events from
  // them.
  if (ephemeral && config.kafka) {
    const message =
      '--ephemeral keeps no data, so it would lose the events that it consumes from Kafka. Unset KAFKA_BROKERS, or start without --ephemeral.';
    throw new AppError('START_REFUSED', message);
  }
}

interface Authentication {
  readonly authenticator: Authenticator;
  readonly demoSessions: DemoSessions | undefined;
}

function createAuthentication(config: Config, options: RuntimeOptions): Authentication {
  const clock = systemClock;
  const keys = keySource(config, options);
  return {
    authenticator: createJwtAuthenticator({ keys, clock }, config.auth),
    demoSessions:
      isAuthConfigured(config) || !('secret' in keys)
        ? undefined
        : createDemoSessions({ secret: keys.secret, clock }, config.auth),
  };
}

async function openAll(
  config: Config,
  lazy: LazyBackends,
  { authenticator, demoSessions, logger }: Authentication & { readonly logger: Logger },
): Promise<Backends> {
  const clock = systemClock;
  const { database, connection, isEmbedded } = await lazy.database();
  const store = await lazy.store();
  return {
    async prepare(signal) {
      const reach = async () => {
        await migrateOn({ logger }, connection);
        await bindToLog(database.pool, chooseLog(config).inUse);
      };
      await waitForBackend(describePostgres(config), reach, { signal, logger });
      if (demoSessions)
        await store.transaction((transaction) => transaction.ensureUsers([demoUser], clock.now()));
    },
    store,
    callers: createCallersStore(store, { poolSize: config.databasePoolSize }),
    log: await lazy.log(),
    outbox: await lazy.outbox(),
    pubSub: await lazy.pubSub(),
    cache: await lazy.cache(),
    authenticator,
    clock,
    logger,
    names: {
      store: async () => `PostgreSQL ${await store.version()}${isEmbedded ? ' (embedded)' : ''}`,
      log: chooseLog(config).name,
      pubSub: choosePubSub(config).name,
    },
    demoSessions,
  };
}

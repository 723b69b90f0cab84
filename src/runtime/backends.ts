import type { Config } from '../config/config.ts';
import type { BadgeCache } from '../ports/badge-cache.ts';
import { type Clock, systemClock } from '../ports/clock.ts';
import type { EventLog } from '../ports/event-log.ts';
import { type Logger, silent } from '../ports/logger.ts';
import type { Outbox } from '../ports/outbox.ts';
import type { PubSub } from '../ports/pub-sub.ts';
import type { Store } from '../ports/store/store.ts';
import type { OpenDatabase } from './database.ts';
import { chooseLog } from './log.ts';
import { choosePubSub } from './pub-sub.ts';

/** The backends of a configuration. The first access to a backend loads its client library and opens it. */
export interface LazyBackends {
  database(): Promise<OpenDatabase>;
  store(): Promise<Store>;
  log(): Promise<EventLog>;
  outbox(): Promise<Outbox>;
  pubSub(): Promise<PubSub>;
  cache(): Promise<BadgeCache>;
  /** Closes all backends that are open. */
  close(): Promise<void>;
}

/**
 * Chooses the backends of a configuration. No other code chooses backends, so a server, a command and `unseen
 * doctor` use the same backends for the same configuration.
 */
export function createBackends(
  config: Config,
  {
    logger,
    openDatabase = async () => (await import('./database.ts')).openDatabase(config),
  }: {
    readonly logger: Logger;
    /** Opens the database. Defaults to `openDatabase`, which also works while a server runs. */
    readonly openDatabase?: () => Promise<OpenDatabase>;
  },
): LazyBackends {
  const { open: openLog, isTable } = chooseLog(config);
  const { open: openPubSub, openCache } = choosePubSub(config);
  const database = opensOnce(openDatabase);
  const log = opensOnce(() => openLog({ logger, database: database.get }));
  const pubSub = opensOnce(() => openPubSub({ logger }));
  const cache = opensOnce(() => openCache({ logger }));
  return {
    database: database.get,
    async store() {
      const { createPostgresStore } = await import('../adapters/postgres/store.ts');
      return createPostgresStore((await database.get()).database, { holdsLog: isTable });
    },
    log: log.get,
    async outbox() {
      const { createPostgresOutbox } = await import('../adapters/postgres/tables/outbox.ts');
      return createPostgresOutbox(await database.get());
    },
    pubSub: pubSub.get,
    cache: cache.get,
    async close() {
      // The database is closed last, because the log may be a table of the database.
      for (const part of [log, pubSub, cache, database]) await part.close();
    },
  };
}

/** Opens a backend at the first call of `get`. If `get` was never called, `close` does nothing. */
function opensOnce<T extends { close(): Promise<void> }>(open: () => Promise<T>) {
  let opened: Promise<T> | undefined;
  return {
    get(): Promise<T> {
      opened ??= open();
      return opened;
    },
    async close(): Promise<void> {
      const part = await opened?.catch(() => undefined);
      await part?.close();
    },
  };
}

/**
 * Opens the store for a command. The log, pub/sub and the cache are opened only if the command calls `live`.
 */
export async function openStore(config: Config): Promise<{
  readonly store: Store;
  readonly clock: Clock;
  /** Rejects with START_REFUSED if the database is bound to another log. */
  live(): Promise<{ readonly log: EventLog; readonly pubSub: PubSub; readonly cache: BadgeCache }>;
  close(): Promise<void>;
}> {
  const backends = createBackends(config, { logger: silent });
  return {
    store: await backends.store(),
    clock: systemClock,
    async live() {
      await expectLogOf(config, backends);
      return { log: await backends.log(), pubSub: await backends.pubSub(), cache: await backends.cache() };
    },
    close: backends.close,
  };
}

/**
 * Opens the log for a command. Rejects with START_REFUSED if the log is a table and the database is bound to
 * another log.
 */
export async function openLog(
  config: Config,
): Promise<{ readonly log: EventLog; readonly clock: Clock; close(): Promise<void> }> {
  const backends = createBackends(config, { logger: silent });
  try {
    if (chooseLog(config).isTable) await expectLogOf(config, backends);
    return { log: await backends.log(), clock: systemClock, close: backends.close };
  } catch (error) {
    await backends.close();
    throw error;
  }
}

async function expectLogOf(config: Config, backends: LazyBackends): Promise<void> {
  const { expectSameLog, logInUse } = await import('../adapters/postgres/log/log-in-use.ts');
  const { database } = await backends.database();
  expectSameLog(await logInUse(database.pool), chooseLog(config).inUse);
}

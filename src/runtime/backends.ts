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

/** The backends of a configuration. Each is opened, and its client library loaded, when it is first asked for. */
export interface LazyBackends {
  database(): Promise<OpenDatabase>;
  store(): Promise<Store>;
  log(): Promise<EventLog>;
  outbox(): Promise<Outbox>;
  pubSub(): Promise<PubSub>;
  cache(): Promise<BadgeCache>;
  /** Closes what was opened. */
  close(): Promise<void>;
}

/** The one place that chooses backends. A start, a command and doctor use what the same configuration names. */
export function createBackends(
  config: Config,
  {
    logger,
    openDatabase = async () => (await import('./database.ts')).openDatabase(config),
  }: {
    readonly logger: Logger;
    /** How to open the database. Defaults to the way of a command, which works beside a server. */
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
      // The database last: the log may be a table in it.
      for (const part of [log, pubSub, cache, database]) await part.close();
    },
  };
}

/** Opens a backend when it is first asked for, and closes it if it was opened. */
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

/** The store, for a command. Opens the log, pub/sub and cache only if the command asks for them. */
export async function openStore(config: Config): Promise<{
  readonly store: Store;
  readonly clock: Clock;
  /** Rejects with START_REFUSED if the database belongs to another log. */
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

/** The log, for a command. Rejects with START_REFUSED if the log is a table and the database belongs to another log. */
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

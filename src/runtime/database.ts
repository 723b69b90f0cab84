import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectionOptions, connect, type Database } from '../adapters/postgres/connection.ts';
import { findEmbeddedPostgres } from '../adapters/postgres/embedded/embedded.ts';
import { missingRight, reasonOf } from '../adapters/postgres/error.ts';
import {
  expectMigrated,
  migrateOn,
  openPostgres,
  type PostgresLocation,
} from '../adapters/postgres/server/server.ts';
import type { Config } from '../config/config.ts';
import { AppError, isRetriable } from '../domain/error.ts';
import { type Logger, silent } from '../ports/logger.ts';
import { serverUrls } from '../ports/server-urls.ts';
import type { RuntimeOptions } from './auth.ts';

/** A pool of connections to the database, and how to end it. */
export interface OpenDatabase {
  readonly database: Database;
  readonly connection: ConnectionOptions;
  /** Whether this process started the server, or took it over. */
  readonly isEmbedded: boolean;
  close(): Promise<void>;
}

/** The database of a server process, which brings it up to date itself. Rejects with START_REFUSED if it cannot. */
export async function openServerDatabase(
  config: Config,
  options: RuntimeOptions,
  logger: Logger,
): Promise<OpenDatabase> {
  const postgres = await openPostgres({ logger }, locationOf(config, options));
  return pooled(postgres, config.databasePoolSize);
}

/**
 * The database of a command that works beside a server that may be running. An embedded PostgreSQL that does not run is
 * started, brought up to date and stopped again. Rejects with START_REFUSED when the database cannot be reached, or is not
 * up to date.
 */
export async function openDatabase(config: Config): Promise<OpenDatabase> {
  const running = config.databaseUrl === undefined ? findEmbeddedPostgres(config.dataDir) : undefined;
  const postgres = running
    ? { connection: { ...running, ssl: false }, isEmbedded: false, close: async () => {} }
    : await openPostgres({ logger: silent }, locationOf(config, { ephemeral: false }));
  const opened = pooled(postgres, 4);
  try {
    // What others run, others bring up to date.
    if (postgres.isEmbedded) await migrateOn({ logger: silent }, postgres.connection);
    else await expectMigrated(postgres.connection);
    return opened;
  } catch (error) {
    await opened.close();
    throw toStartError(error);
  }
}

function pooled(postgres: Awaited<ReturnType<typeof openPostgres>>, maxConnections: number): OpenDatabase {
  const { connection, isEmbedded } = postgres;
  const database = connect(connection, { maxConnections });
  return {
    database,
    connection,
    isEmbedded,
    async close() {
      await database.close();
      await postgres.close();
    },
  };
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

/** A database that cannot be reached, as a sentence for whoever ran the command. */
function toStartError(error: unknown): unknown {
  const refused = missingRight(error);
  if (refused) return refused;
  if (!isRetriable(error)) return error;
  const { cause } = error as Error;
  const message = `The database cannot be reached: ${reasonOf(cause)}. Check DATABASE_URL.`;
  return new AppError('START_REFUSED', message, { cause });
}

export function describePostgres({ databaseUrl, dataDir }: Config): string {
  if (databaseUrl === undefined) return `embedded PostgreSQL in ${dataDir}`;
  const servers = serverUrls(databaseUrl).map((url) => new URL(url));
  return `PostgreSQL at ${servers.map(({ host }) => host).join(', ')}${servers[0]?.pathname ?? ''}`;
}

/** Where `openPostgres` finds or starts the server. */
const locationOf = ({ databaseUrl, dataDir }: Config, { ephemeral }: RuntimeOptions): PostgresLocation =>
  ephemeral ? { ephemeral } : databaseUrl === undefined ? { dataDir } : { url: databaseUrl };

/** Tries until the backend answers: it may start after us. What waiting cannot mend is rejected with at once. */
export async function waitForBackend<T>(
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

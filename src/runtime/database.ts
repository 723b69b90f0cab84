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

/** A pool of connections to the database. */
export interface OpenDatabase {
  readonly database: Database;
  readonly connection: ConnectionOptions;
  /**
   * Whether this process runs the PostgreSQL server. Either this process has started the server, or it has
   * taken over the server of an earlier process.
   */
  readonly isEmbedded: boolean;
  close(): Promise<void>;
}

/**
 * Opens the database for a server process. The server process applies pending migrations later. Rejects with
 * START_REFUSED if the database cannot be opened.
 */
export async function openServerDatabase(
  config: Config,
  options: RuntimeOptions,
  logger: Logger,
): Promise<OpenDatabase> {
  const postgres = await openPostgres({ logger }, locationOf(config, options));
  return pooled(postgres, config.databasePoolSize);
}

/**
 * Opens the database for a command, also while a server runs. If the embedded PostgreSQL is not running, this
 * function starts it and applies pending migrations, and `close` stops it. Rejects with START_REFUSED if the
 * database cannot be reached or has pending migrations.
 */
export async function openDatabase(config: Config): Promise<OpenDatabase> {
  const running = config.databaseUrl === undefined ? findEmbeddedPostgres(config.dataDir) : undefined;
  const postgres = running
    ? { connection: { ...running, ssl: false }, isEmbedded: false, close: async () => {} }
    : await openPostgres({ logger: silent }, locationOf(config, { ephemeral: false }));
  const opened = await pooled(postgres, 4);
  try {
    // Only the embedded PostgreSQL is migrated here. The operator migrates every other PostgreSQL.
    if (postgres.isEmbedded) await migrateOn({ logger: silent }, postgres.connection);
    else await expectMigrated(postgres.connection);
    return opened;
  } catch (error) {
    await opened.close();
    throw toStartError(error);
  }
}

async function pooled(
  postgres: Awaited<ReturnType<typeof openPostgres>>,
  maxConnections: number,
): Promise<OpenDatabase> {
  const { connection, isEmbedded } = postgres;
  const database = await connectOrClose(postgres, maxConnections);
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

async function connectOrClose(
  { connection, close }: Pick<Awaited<ReturnType<typeof openPostgres>>, 'connection' | 'close'>,
  maxConnections: number,
): Promise<Database> {
  try {
    return connect(connection, { maxConnections });
  } catch (error) {
    await close();
    throw error;
  }
}

/** Applies pending migrations, closes the database and returns the names of the migrations. */
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

/** Converts the error of an unreachable database to an error text for the user of the command. */
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

/** Returns the location where `openPostgres` finds or starts the server. */
const locationOf = ({ databaseUrl, dataDir }: Config, { ephemeral }: RuntimeOptions): PostgresLocation =>
  ephemeral ? { ephemeral } : databaseUrl === undefined ? { dataDir } : { url: databaseUrl };

/**
 * Calls `reach` until `reach` succeeds, because a backend may start later than this process. Rejects at once
 * if a retry cannot help.
 */
export async function waitForBackend<T>(
  backend: string,
  reach: () => Promise<T>,
  { signal, logger }: { readonly signal: AbortSignal; readonly logger: Logger },
): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const reached = await reach();
      if (attempt > 0) logger.info({ attempt }, `${backend} can be reached now`);
      return reached;
    } catch (err) {
      signal.throwIfAborted();
      if (!isRetriable(err)) throw err;
      // Logs the first failure, and then about one failure per minute.
      if (attempt % 12 === 0) logger.warn({ err, attempt }, `${backend} cannot be reached, trying again`);
      await delay(Math.min(5_000, 250 * 2 ** attempt), undefined, { signal });
    }
  }
}

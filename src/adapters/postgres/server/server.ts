import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { AppError } from '../../../domain/error.ts';
import type { Logger } from '../../../ports/logger.ts';
import type { ConnectionOptions } from '../connection.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../embedded/embedded.ts';
import { missingRight, toPortError } from '../error.ts';
import { Session } from '../session.ts';
import { inspectMigrations, migrate, migrationsDirectory } from './migrate.ts';

/**
 * The location of PostgreSQL: a URL, the data directory of an embedded server, or an ephemeral embedded
 * server.
 */
export type PostgresLocation =
  | { readonly url: string }
  | { readonly dataDir: string }
  | { readonly ephemeral: true };

interface Deps {
  readonly logger: Logger;
}

/** The connection to a server, and the function that releases the server. */
export interface OpenPostgres {
  readonly connection: ConnectionOptions;
  /** Whether the server is embedded: this process started the server or took it over. */
  readonly isEmbedded: boolean;
  close(): Promise<void>;
}

/**
 * Starts or takes over an embedded server if `location` requires one. Does not contact a server behind a URL.
 * Rejects with START_REFUSED.
 */
export async function openPostgres({ logger }: Deps, location: PostgresLocation): Promise<OpenPostgres> {
  if ('url' in location) {
    return { connection: { connectionString: location.url }, isEmbedded: false, close: async () => {} };
  }
  const embedded = await startKeptAlive(location, logger);
  return {
    // A unix socket does not support TLS, so PGSSLMODE is overridden.
    connection: { ...embedded.connection, ssl: false },
    isEmbedded: true,
    close: embedded.stop,
  };
}

/**
 * Starts the embedded server, and starts it again at the same address if it is lost while this process runs.
 * An ephemeral server is not started again, because its data is lost.
 */
async function startKeptAlive(
  where: { readonly ephemeral: true } | { readonly dataDir: string },
  logger: Logger,
): Promise<Pick<EmbeddedPostgres, 'connection' | 'stop'>> {
  let stopping = false;
  let current: Promise<EmbeddedPostgres>;
  const start = () => startEmbeddedPostgres({ ...where, onLost: (reason) => void restart(reason) });

  async function restart(reason: string): Promise<void> {
    if (stopping) return;
    if ('ephemeral' in where) {
      logger.error({ reason }, 'the ephemeral PostgreSQL was lost with all its data; restart Unseen');
      return;
    }
    logger.error({ reason }, 'the embedded PostgreSQL was lost; starting it again');
    current = (async () => {
      for (let attempt = 0; ; attempt += 1) {
        try {
          const embedded = await start();
          logger.info({}, 'the embedded PostgreSQL is back');
          return embedded;
        } catch (err) {
          if (stopping) throw err;
          logger.error({ err, attempt }, 'the embedded PostgreSQL could not be started; trying again');
          await delay(Math.min(10_000, 200 * 2 ** attempt));
        }
      }
    })();
    current.catch(() => {});
  }

  current = start();
  const { connection } = await current;
  return {
    connection,
    async stop() {
      stopping = true;
      await current.then((embedded) => embedded.stop()).catch(() => {});
    },
  };
}

/**
 * Applies pending migrations on a separate connection. Rejects with UNAVAILABLE while the server cannot be
 * reached, and with START_REFUSED if the server refuses the login or the login lacks a right.
 */
export async function migrateOn({ logger }: Deps, connection: ConnectionOptions) {
  const report = await onConnection(connection, (client) =>
    migrate(client, { directory: migrationsDirectory }),
  );
  if (report.unknown.length > 0) {
    logger.warn({ migrations: report.unknown }, 'the database has migrations of a newer version');
  }
  return report;
}

/**
 * Checks that all migrations are applied. Changes nothing. Rejects like `migrateOn`, and with START_REFUSED
 * if migrations are pending.
 */
export async function expectMigrated(connection: ConnectionOptions): Promise<void> {
  const { missing } = await onConnection(connection, (client) =>
    inspectMigrations(client, { directory: migrationsDirectory }),
  );
  if (missing.length === 0) return;
  const count = missing.length === 1 ? '1 migration is' : `${missing.length} migrations are`;
  const message = `${count} not applied. Run \`unseen migrate\`, or start the server of this version.`;
  throw new AppError('START_REFUSED', message);
}

async function onConnection<T>(
  connection: ConnectionOptions,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new Session({
    ...connection,
    application_name: 'unseen migrations',
    connectionTimeoutMillis: 10_000,
  });
  client.on('error', () => {});
  try {
    await client.connect().catch((error: unknown) => {
      throw refusalOf(error) ?? toPortError(error);
    });
    return await work(client).catch((error: unknown) => {
      throw missingRight(error) ?? toPortError(error);
    });
  } finally {
    await client.end().catch(() => {});
  }
}

/**
 * Returns an error if only a change of the configuration or of the server can help: a wrong login, database
 * or TLS setting. Undefined for other errors.
 */
function refusalOf(error: unknown): AppError | undefined {
  const { code = '', message } = error as NodeJS.ErrnoException;
  // These errors mean an invalid authorization, an unknown database, or a mismatch of TLS settings.
  const isRefused =
    /^(28|3D000)/.test(code) || /does not support SSL|self-signed|certificate|pg_hba/.test(message);
  return isRefused
    ? new AppError('START_REFUSED', `PostgreSQL refused the connection: ${message}. Check DATABASE_URL.`, {
        cause: error,
      })
    : undefined;
}

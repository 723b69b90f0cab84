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
 * A server to connect to, or an embedded server with its data in a directory, or an embedded server that
 * keeps nothing.
 */
export type PostgresLocation =
  | { readonly url: string }
  | { readonly dataDir: string }
  | { readonly ephemeral: true };

interface Deps {
  readonly logger: Logger;
}

/** How to connect to a server, and how to release it. */
export interface OpenPostgres {
  readonly connection: ConnectionOptions;
  /** Whether this process started the server or took it over. */
  readonly isEmbedded: boolean;
  close(): Promise<void>;
}

/**
 * Makes sure that an embedded server runs. A server behind a URL is not contacted. Rejects with
 * START_REFUSED.
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
 * Starts the embedded server. If the server is lost while this process runs, it starts again at the same
 * address. A lost ephemeral server is not started again, because its data is gone.
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
 * Applies pending migrations on its own connection. Rejects with UNAVAILABLE while the server cannot be
 * reached, and with START_REFUSED if the server refuses the login or a right.
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
 * Checks the migrations without changing anything. Rejects like `migrateOn`, and with START_REFUSED if
 * migrations are pending.
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
 * An error that only a change of the configuration or the server can fix: the login, the database or a TLS
 * setting. Undefined for other errors.
 */
function refusalOf(error: unknown): AppError | undefined {
  const { code = '', message } = error as NodeJS.ErrnoException;
  // Invalid authorization, an unknown database, or a mismatch of TLS settings.
  const isRefused =
    /^(28|3D000)/.test(code) || /does not support SSL|self-signed|certificate|pg_hba/.test(message);
  return isRefused
    ? new AppError('START_REFUSED', `PostgreSQL refused the connection: ${message}. Check DATABASE_URL.`, {
        cause: error,
      })
    : undefined;
}

import type pg from 'pg';
import { AppError } from '../../domain/error.ts';
import { clockFinding, type Finding } from '../../ports/finding.ts';
import type { ConnectionOptions } from './connection.ts';
import { missingRight, reasonOf } from './error.ts';
import {
  describeLogInUse,
  differenceOf,
  howToAgree,
  isSameLog,
  type LogInUse,
  logInUse,
} from './log/log-in-use.ts';
import { inspectMigrations } from './server/migrate.ts';
import { Session } from './session.ts';

const oldestVersion = 15;

/**
 * Examines whether a database is reachable and writable, and examines its version, its migrations, its
 * connections and its clock. Changes nothing.
 */
export async function examinePostgres(
  connection: ConnectionOptions,
  {
    migrations,
    poolSize,
    log,
  }: {
    readonly migrations: string;
    readonly poolSize: number;
    /** The log that this process is configured to use. */
    readonly log: LogInUse;
  },
): Promise<readonly Finding[]> {
  const client = new Session({
    ...connection,
    application_name: 'unseen doctor',
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
  });
  client.on('error', () => {});
  const startedAt = performance.now();
  try {
    await client.connect();
  } catch (error) {
    const fix = 'Start it, or fix DATABASE_URL. Check the firewall, the password and pg_hba.conf.';
    return [{ state: 'failed', found: `cannot be reached: ${reasonOf(error)}`, fix }];
  }
  try {
    const reachedMs = Math.round(performance.now() - startedAt);
    const before = new Date();
    const { rows } = await client.query<{
      version: string;
      number: number;
      standby: boolean;
      connections: number;
      now: Date;
    }>(
      `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
         pg_is_in_recovery() OR current_setting('transaction_read_only')::bool AS standby,
         current_setting('max_connections')::int AS connections, clock_timestamp() AS now`,
    );
    const after = new Date();
    const server = rows[0] as (typeof rows)[0];
    return [
      { state: 'ok', found: `reached in ${reachedMs} ms` },
      server.number >= oldestVersion * 10_000
        ? { state: 'ok', found: `version ${server.version}` }
        : {
            state: 'failed',
            found: `version ${server.version}`,
            fix: `Upgrade PostgreSQL to ${oldestVersion} or newer.`,
          },
      ...(server.standby
        ? [
            {
              state: 'failed',
              found: 'read-only: a standby, or default_transaction_read_only is on',
              fix: 'Point DATABASE_URL to the primary.',
            } as const,
          ]
        : []),
      await migrationsFinding(client, migrations),
      ...(await logFindings(client, log)),
      ...(await sweepFindings(client)),
      poolSize < server.connections
        ? {
            state: 'ok',
            found: `${server.connections} connections; one process may use ${poolSize + 1}`,
          }
        : {
            state: 'warning',
            found: `${server.connections} connections, but one process may use ${poolSize + 1}`,
            fix: 'Raise max_connections of the server, or lower DATABASE_POOL_SIZE.',
          },
      clockFinding(server.now, before, after),
    ];
  } catch (error) {
    const fix = missingRight(error)
      ? 'Run prisma/roles.sql again, or use another login.'
      : 'See the log of the server.';
    return [{ state: 'failed', found: `refused a query: ${reasonOf(error)}`, fix }];
  } finally {
    await client.end().catch(() => {});
  }
}

/** Returns no finding if the migration that creates the table is not applied yet. */
async function logFindings(client: pg.Client, configured: LogInUse): Promise<readonly Finding[]> {
  const { rows } = await client.query<{ present: boolean }>(
    `SELECT to_regclass('log_in_use') IS NOT NULL AS present`,
  );
  if (!rows[0]?.present) return [];
  const used = await logInUse(client);
  if (!used) return [{ state: 'ok', found: 'belongs to no log yet; the first start sets it' }];
  return isSameLog(used, configured)
    ? [{ state: 'ok', found: `used with ${describeLogInUse(used)}` }]
    : [{ state: 'failed', found: differenceOf(used, configured), fix: howToAgree(configured) }];
}

/**
 * Returns no finding if the migration that creates the table is not applied yet, or if no old data was
 * removed yet.
 */
async function sweepFindings(client: pg.Client): Promise<readonly Finding[]> {
  const { rows } = await client.query<{ present: boolean }>(
    `SELECT to_regclass('sweep') IS NOT NULL AS present`,
  );
  if (!rows[0]?.present) return [];
  const { rows: kinds } = await client.query<{ kind: string; since: Date; late: boolean }>(
    `SELECT kind, coalesce(succeeded_at, since) AS since, coalesce(succeeded_at, since) < now() - interval '2 days' AS late
     FROM sweep ORDER BY kind`,
  );
  const late = kinds
    .filter(({ late }) => late)
    .map(({ kind, since }) => `${kind} since ${since.toISOString()}`);
  if (late.length > 0) {
    return [
      {
        state: 'warning',
        found: `not swept: ${late.join(', ')}`,
        fix: 'Run `unseen sweep`, which reports the reason. If it succeeds, run a worker, which sweeps every day.',
      },
    ];
  }
  return kinds.length === 0
    ? []
    : [{ state: 'ok', found: `all ${kinds.length} kinds of old data are swept` }];
}

async function migrationsFinding(client: pg.Client, directory: string): Promise<Finding> {
  try {
    const { applied, missing, unknown } = await inspectMigrations(client, { directory });
    if (missing.length > 0) {
      return {
        state: 'warning',
        found: `${missing.length} of ${applied.length + missing.length} migrations not applied: ${missing.join(', ')}`,
        fix: 'Run `unseen migrate`, or let the next start apply them.',
      };
    }
    if (unknown.length > 0) {
      return {
        state: 'warning',
        found: `migrations of a newer version are applied: ${unknown.join(', ')}`,
        fix: 'Upgrade Unseen here. Older processes keep working during a rollout.',
      };
    }
    return { state: 'ok', found: `all ${applied.length} migrations applied` };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { state: 'failed', found: 'its migrations have a problem', fix: error.message };
  }
}

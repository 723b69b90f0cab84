import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { AppError } from '../../../domain/error.ts';

/** The directory prisma/migrations of this build. Its relative path is the same from src and from dist. */
export const migrationsDirectory = fileURLToPath(new URL('../../../../prisma/migrations', import.meta.url));

/** The result of `migrate`. A migration is named by its directory. The oldest is first. */
export interface MigrationReport {
  /** The migrations that this run applied. */
  readonly applied: readonly string[];
  /**
   * Migrations that are applied in the database but unknown to this build, because a newer version applied
   * them. They are normal during a rolling deploy and worth a warning.
   */
  readonly unknown: readonly string[];
}

interface Migration {
  readonly name: string;
  readonly sql: string;
}

interface Row {
  readonly migration_name: string;
  readonly checksum: string;
  readonly finished_at: Date | null;
}

/**
 * The key of the advisory lock that Prisma's schema engine takes. So `prisma migrate deploy` and `migrate`
 * exclude each other.
 */
const lockKey = 72707369;

/** The time, in ms, between two attempts to take the lock while another process migrates. */
const waitMs = 100;

/** The same columns as in the table that Prisma's schema engine creates. */
const createTable = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id"                  VARCHAR(36) PRIMARY KEY NOT NULL,
    "checksum"            VARCHAR(64) NOT NULL,
    "finished_at"         TIMESTAMPTZ,
    "migration_name"      VARCHAR(255) NOT NULL,
    "logs"                TEXT,
    "rolled_back_at"      TIMESTAMPTZ,
    "started_at"          TIMESTAMPTZ NOT NULL DEFAULT now(),
    "applied_steps_count" INTEGER NOT NULL DEFAULT 0
)`;

/**
 * Applies the migrations in `directory`, and records them like `prisma migrate deploy`. So either program can
 * continue after the other. Any number of processes may call this function at the same time. One of them
 * applies the migrations. The others wait and then find nothing to do.
 * A migration and its record commit together. So a killed process leaves nothing behind, and the next start
 * repeats the migration. A migration with CREATE or DROP INDEX CONCURRENTLY changes an index of a large table
 * without blocking writes. The migration must contain only that statement, with IF [NOT] EXISTS. That
 * statement cannot run in a transaction, so a kill may leave the index changed without the record. An
 * unfinished index of a killed process is dropped first.
 * Rejects with START_REFUSED if the file of an applied migration was edited, if an earlier migration failed
 * and is not resolved, or if a migration fails now.
 * `client` must be a separate connection, because the lock belongs to its session. The statement timeout of
 * the session is switched off, because a migration may take any time.
 */
export async function migrate(
  client: pg.ClientBase,
  { directory }: { readonly directory: string },
): Promise<MigrationReport> {
  const migrations = await readMigrations(directory);
  await client.query('SET statement_timeout = 0');
  await takeLock(client);
  try {
    if (!(await hasBookkeeping(client))) await createBookkeeping(client);
    const { missing, unknown } = compare(migrations, await readRecorded(client), directory);
    for (const migration of missing) await apply(client, migration);
    return { applied: missing.map(({ name }) => name), unknown };
  } finally {
    // If the connection is broken, the lock is already released. The caller should get the original error,
    // not the error of the unlock.
    await client.query('SELECT pg_advisory_unlock($1)', [lockKey]).catch(() => undefined);
  }
}

/**
 * Polls for the lock. A session that waits inside the database would hold a snapshot, and CREATE INDEX
 * CONCURRENTLY of another process would wait for that snapshot.
 */
async function takeLock(client: pg.ClientBase): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [
      lockKey,
    ]);
    if (rows[0]?.taken) return;
    await delay(waitMs);
  }
}

/** Reports the migrations of a database. Changes nothing. Rejects with START_REFUSED like `migrate`. */
export async function inspectMigrations(
  client: pg.ClientBase,
  { directory }: { readonly directory: string },
): Promise<MigrationReport & { readonly missing: readonly string[] }> {
  const migrations = await readMigrations(directory);
  const recorded = (await hasBookkeeping(client)) ? await readRecorded(client) : [];
  const { missing, unknown } = compare(migrations, recorded, directory);
  return {
    applied: recorded.map((row) => row.migration_name),
    missing: missing.map(({ name }) => name),
    unknown,
  };
}

/**
 * Compares the migrations of this build with the recorded migrations. Throws if the file of an applied
 * migration was edited.
 */
function compare(migrations: readonly Migration[], recorded: readonly Row[], directory: string) {
  const done = new Map(recorded.map((row) => [row.migration_name, row.checksum]));
  for (const { name, sql } of migrations) {
    const checksum = done.get(name);
    if (checksum !== undefined && !matches(sql, checksum)) throw edited(name, directory);
  }
  const known = new Set(migrations.map(({ name }) => name));
  return {
    missing: migrations.filter(({ name }) => !done.has(name)),
    unknown: [...done.keys()].filter((name) => !known.has(name)),
  };
}

async function readMigrations(directory: string): Promise<Migration[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    return await Promise.all(
      names.sort().map(async (name) => ({
        name,
        sql: await readFile(join(directory, name, 'migration.sql'), 'utf8'),
      })),
    );
  } catch (cause) {
    throw new AppError(
      'START_REFUSED',
      `The migrations in ${directory} cannot be read (${messageOf(cause)}). Reinstall this version of Unseen.`,
      { cause },
    );
  }
}

async function hasBookkeeping(client: pg.ClientBase): Promise<boolean> {
  // The function first checks whether the table exists, because CREATE TABLE IF NOT EXISTS requires the right
  // to create tables even if the table exists.
  const { rows } = await client.query<{ present: boolean }>(
    `SELECT to_regclass('"_prisma_migrations"') IS NOT NULL AS present`,
  );
  return rows[0]?.present === true;
}

async function createBookkeeping(client: pg.ClientBase): Promise<void> {
  try {
    await client.query(createTable);
  } catch (cause) {
    throw new AppError(
      'START_REFUSED',
      `The database refuses to create the table _prisma_migrations (${messageOf(cause)}). ` +
        'Let the user in DATABASE_URL create tables, or apply the migrations with a user that has this right.',
      { cause },
    );
  }
}

/** Returns the migrations that are applied and not rolled back, oldest first. */
async function readRecorded(client: pg.ClientBase): Promise<Row[]> {
  const { rows } = await client.query<Row>(
    `SELECT migration_name, checksum, finished_at FROM "_prisma_migrations"
     WHERE rolled_back_at IS NULL ORDER BY started_at, migration_name`,
  );
  const failed = rows.find((row) => row.finished_at === null);
  if (failed) throw blocked(failed.migration_name);
  return rows;
}

async function apply(client: pg.ClientBase, { name, sql }: Migration): Promise<void> {
  const id = randomUUID();
  const checksum = checksumOf(sql);
  const record = `
    INSERT INTO "_prisma_migrations"
      ("id", "checksum", "migration_name", "started_at", "finished_at", "applied_steps_count")
    VALUES ('${id}', '${checksum}', ${pg.escapeLiteral(name)}, now(), clock_timestamp(), 1)`;
  try {
    const concurrently = concurrentIndexOf(sql);
    if (concurrently) {
      await dropUnfinished(client, concurrently);
      await client.query(sql);
      await client.query(record);
      return;
    }
    // PostgreSQL runs this query as one transaction. The record is the last statement, so it exists only if
    // the whole migration was applied.
    await client.query(`${sql}\n;${record}`);
  } catch (cause) {
    // A file with its own BEGIN may have left a transaction open. The following statements may fail without
    // harm: on a broken connection nothing was applied, and nothing blocks the next start.
    await client.query('ROLLBACK').catch(() => undefined);
    const lacksRight = cause instanceof pg.DatabaseError && cause.code === '42501';
    if (!isPassing(cause) && !lacksRight) {
      await client
        .query(
          'INSERT INTO "_prisma_migrations" ("id", "checksum", "migration_name", "logs") VALUES ($1, $2, $3, $4)',
          [id, checksum, name, messageOf(cause)],
        )
        .catch(() => undefined);
    }
    const advice = lacksRight
      ? 'It was rolled back completely. Run `unseen migrate` with a login that has the right, then start again.'
      : isPassing(cause)
        ? 'It was rolled back completely. Start again.'
        : howToResolve(name);
    throw new AppError('START_REFUSED', `Migration ${name} failed: ${messageOf(cause)}. ${advice}`, {
      cause,
    });
  }
}

/**
 * Returns the name of the index that a migration creates or drops concurrently. Undefined for any other
 * migration.
 */
function concurrentIndexOf(sql: string): string | undefined {
  return /\bINDEX\s+CONCURRENTLY\s+IF\s+(?:NOT\s+)?EXISTS\s+"(\w+)"/i.exec(sql)?.[1];
}

/** Drops an index whose creation was interrupted. Such an index slows every write, but no query uses it. */
async function dropUnfinished(client: pg.ClientBase, index: string): Promise<void> {
  const { rows } = await client.query(
    'SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid',
    [pg.escapeIdentifier(index)],
  );
  if (rows.length > 0) await client.query(`DROP INDEX CONCURRENTLY ${pg.escapeIdentifier(index)}`);
}

/**
 * Whether the state of the database caused the failure, not the migration: connection (08), deadlock (40),
 * resources (53), locks and shutdown (55, 57), disk (58). The same migration may succeed on the next start,
 * so the failure is not recorded.
 */
function isPassing(error: unknown): boolean {
  return !(error instanceof pg.DatabaseError) || /^(08|40|53|55|57|58)/.test(error.code ?? '');
}

function blocked(name: string): AppError {
  return new AppError('START_REFUSED', `Migration ${name} failed earlier. ${howToResolve(name)}`);
}

function howToResolve(name: string): string {
  return (
    'Fix the cause and undo by hand any change that it left (usually none, because a migration is one transaction). Then run: ' +
    `UPDATE "_prisma_migrations" SET rolled_back_at = now() WHERE migration_name = ${pg.escapeLiteral(name)} ` +
    'AND finished_at IS NULL; then start again.'
  );
}

function edited(name: string, directory: string): AppError {
  return new AppError(
    'START_REFUSED',
    `${join(directory, name, 'migration.sql')} was edited after this database applied it. ` +
      'Restore the original file and put the change into a new migration.',
  );
}

/**
 * Whether the checksum matches the file. Line ends are ignored, as in Prisma, because a checkout may have
 * changed them.
 */
function matches(sql: string, checksum: string): boolean {
  const unix = sql.replaceAll('\r\n', '\n');
  return [sql, unix, unix.replaceAll('\n', '\r\n')].some((text) => checksumOf(text) === checksum);
}

function checksumOf(sql: string): string {
  return createHash('sha256').update(sql).digest('hex');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

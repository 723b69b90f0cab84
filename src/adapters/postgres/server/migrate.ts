import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { AppError } from '../../../domain/error.ts';

/** The directory prisma/migrations of this build. It has the same relative path from src and from dist. */
export const migrationsDirectory = fileURLToPath(new URL('../../../../prisma/migrations', import.meta.url));

/** The result of `migrate`. Names are directory names, oldest first. */
export interface MigrationReport {
  /** Applied by this run. */
  readonly applied: readonly string[];
  /**
   * Migrations that the database has and this build does not know, because a newer version applied them. This
   * is normal in a rolling deploy and worth a warning.
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

/** The key that Prisma's schema engine locks, so `prisma migrate deploy` and `migrate` exclude each other. */
const lockKey = 72707369;

/** How often, in ms, a process asks for the lock while another process migrates. */
const waitMs = 100;

/** The same columns that Prisma's schema engine creates. */
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
 * Applies the migrations in `directory` up to the newest, with the bookkeeping of `prisma migrate deploy`, so
 * either of them can continue after the other.
 *
 * Any number of processes may call this at once. One of them works, the others wait and find nothing to do. A
 * migration and its record commit together, so a kill in the middle leaves nothing behind and the next start
 * repeats the migration.
 *
 * A migration with CREATE or DROP INDEX CONCURRENTLY indexes a large table without blocking writes. It must
 * contain only that statement, with IF [NOT] EXISTS. The statement cannot run in a transaction, so a kill may
 * leave it done without its record. If a kill left an unfinished index, the index is dropped first.
 *
 * Rejects with START_REFUSED if an applied migration was edited since, if an earlier migration failed and is
 * not resolved, and if a migration fails now. `client` must be a connection of its own, because the lock
 * belongs to its session. Its statement timeout is switched off, because a migration may take any time.
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
    // A broken connection has already released the lock. The error to report is its own.
    await client.query('SELECT pg_advisory_unlock($1)', [lockKey]).catch(() => undefined);
  }
}

/**
 * Waits for the lock by polling. Waiting inside the database would hold a snapshot, and CREATE INDEX
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

/** Reports the migrations of a database without changing it. Rejects with START_REFUSED like `migrate`. */
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
 * Compares the migrations of this build with the recorded ones. Throws if an applied migration was edited
 * since.
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
  // The table is looked up first, because IF NOT EXISTS still requires the right to create tables.
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

/** The migrations that are applied and not rolled back, oldest first. */
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
    // One simple query is one transaction. The record comes last, so it exists exactly if the whole migration
    // was applied.
    await client.query(`${sql}\n;${record}`);
  } catch (cause) {
    // A file with its own BEGIN may have left a transaction open. The statements after this are best effort.
    // On a broken connection nothing was applied, and nothing blocks the next start.
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

/** The index that a migration creates or drops concurrently. Undefined for any other migration. */
function concurrentIndexOf(sql: string): string | undefined {
  return /\bINDEX\s+CONCURRENTLY\s+IF\s+(?:NOT\s+)?EXISTS\s+"(\w+)"/i.exec(sql)?.[1];
}

/**
 * Drops an index whose creation was interrupted. Such an index exists and costs every write, but serves no
 * query.
 */
async function dropUnfinished(client: pg.ClientBase, index: string): Promise<void> {
  const { rows } = await client.query(
    'SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid',
    [pg.escapeIdentifier(index)],
  );
  if (rows.length > 0) await client.query(`DROP INDEX CONCURRENTLY ${pg.escapeIdentifier(index)}`);
}

/**
 * Whether the database failed rather than the migration: connection (08), deadlock (40), resources (53),
 * locks and shutdown (55, 57), disk (58). The same file may succeed on the next start, so no failure is
 * recorded.
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
 * Whether the checksum matches. Line ends do not matter, as with Prisma, because a checkout may have changed
 * them.
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

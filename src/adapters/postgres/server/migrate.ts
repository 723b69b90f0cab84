import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { AppError } from '../../../domain/error.ts';

/**
 * prisma/migrations of this build: three levels up from both src/adapters/postgres and
 * dist/adapters/postgres.
 */
export const migrationsDirectory = fileURLToPath(new URL('../../../../prisma/migrations', import.meta.url));

/** What a run of `migrate` found and did; names are directory names, oldest first. */
export interface MigrationReport {
  /** Applied by this run. */
  readonly applied: readonly string[];
  /**
   * In the database but not in this build: a newer version has been here. Worth a warning, normal in a
   * rolling deploy.
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

/** The key Prisma's own schema engine locks, so its `migrate deploy` and ours exclude each other. */
const lockKey = 72707369;

/** How often a process that waits for another to migrate asks again. */
const waitMs = 100;

/** Column for column what Prisma's schema engine creates. */
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
 * Brings the database to the newest migration in `directory`, with the bookkeeping of `prisma migrate
 * deploy`, so either can continue where the other stopped.
 *
 * Any number of processes may call it at once: one works, the others wait and find nothing to do. A migration
 * and the note that it was applied commit together, so a kill in the middle leaves nothing behind and the
 * next start repeats it.
 *
 * A migration that holds CREATE or DROP INDEX CONCURRENTLY, so that nobody waits while a large table is indexed, must be
 * that statement alone, with IF [NOT] EXISTS: no transaction may hold it, so a kill may leave it done without the note. What
 * a kill left of an index that was not finished is dropped first.
 *
 * Rejects with START_REFUSED when an applied migration was edited since, when an earlier one failed and
 * nobody has resolved it, and when a migration fails now. `client` must be a connection of its own: the lock
 * is its session's, and its statement timeout is switched off, since a migration may take as long as it
 * takes.
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
    // A broken connection has already given the lock back; its own error is the one to report.
    await client.query('SELECT pg_advisory_unlock($1)', [lockKey]).catch(() => undefined);
  }
}

/** To wait inside the database would hold a snapshot, which CREATE INDEX CONCURRENTLY of another process waits for. */
async function takeLock(client: pg.ClientBase): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [
      lockKey,
    ]);
    if (rows[0]?.taken) return;
    await delay(waitMs);
  }
}

/** Where a database stands, without changing it. Rejects with START_REFUSED like `migrate`. */
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

/** What is to be applied, and what only a newer version knows. Throws when an applied one was edited since. */
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
      `The migrations in ${directory} cannot be read (${messageOf(cause)}); reinstall this version of Unseen.`,
      { cause },
    );
  }
}

async function hasBookkeeping(client: pg.ClientBase): Promise<boolean> {
  // Looked up first, since IF NOT EXISTS still demands the right to create.
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
        'Let the user in DATABASE_URL create tables, or apply the migrations with a user who may.',
      { cause },
    );
  }
}

/** The migrations that are in force, oldest first. */
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
  const note = `
    INSERT INTO "_prisma_migrations"
      ("id", "checksum", "migration_name", "started_at", "finished_at", "applied_steps_count")
    VALUES ('${id}', '${checksum}', ${pg.escapeLiteral(name)}, now(), clock_timestamp(), 1)`;
  try {
    const concurrently = concurrentIndexOf(sql);
    if (concurrently) {
      await dropUnfinished(client, concurrently);
      await client.query(sql);
      await client.query(note);
      return;
    }
    // One simple query is one transaction: the note comes last, so it is there exactly when all before it is.
    await client.query(`${sql}\n;${note}`);
  } catch (cause) {
    // A file with a BEGIN of its own may have left it open. What follows is best effort: on a connection that
    // broke, nothing was applied and nothing blocks the next start.
    await client.query('ROLLBACK').catch(() => undefined);
    const mayNot = cause instanceof pg.DatabaseError && cause.code === '42501';
    if (!isPassing(cause) && !mayNot) {
      await client
        .query(
          'INSERT INTO "_prisma_migrations" ("id", "checksum", "migration_name", "logs") VALUES ($1, $2, $3, $4)',
          [id, checksum, name, messageOf(cause)],
        )
        .catch(() => undefined);
    }
    const advice = mayNot
      ? 'It was undone whole: run `unseen migrate` with a login that may, then start again.'
      : isPassing(cause)
        ? 'It was undone whole; start again.'
        : howToResolve(name);
    throw new AppError('START_REFUSED', `Migration ${name} failed: ${messageOf(cause)}. ${advice}`, {
      cause,
    });
  }
}

/** The index that a migration makes or drops concurrently; undefined when it does not. */
function concurrentIndexOf(sql: string): string | undefined {
  return /\bINDEX\s+CONCURRENTLY\s+IF\s+(?:NOT\s+)?EXISTS\s+"(\w+)"/i.exec(sql)?.[1];
}

/** An index whose making was cut off is there, is written to, and serves no query. */
async function dropUnfinished(client: pg.ClientBase, index: string): Promise<void> {
  const { rows } = await client.query(
    'SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid',
    [pg.escapeIdentifier(index)],
  );
  if (rows.length > 0) await client.query(`DROP INDEX CONCURRENTLY ${pg.escapeIdentifier(index)}`);
}

/**
 * Whether the database failed rather than the migration: connection (08), deadlock (40), resources (53),
 * locks and shutdown (55, 57), disk (58). The same file may pass on the next start, so nothing is recorded
 * against it.
 */
function isPassing(error: unknown): boolean {
  return !(error instanceof pg.DatabaseError) || /^(08|40|53|55|57|58)/.test(error.code ?? '');
}

function blocked(name: string): AppError {
  return new AppError('START_REFUSED', `Migration ${name} failed earlier. ${howToResolve(name)}`);
}

function howToResolve(name: string): string {
  return (
    'Mend the cause, undo by hand what it left behind (usually nothing, a migration is one transaction), then run: ' +
    `UPDATE "_prisma_migrations" SET rolled_back_at = now() WHERE migration_name = ${pg.escapeLiteral(name)} ` +
    'AND finished_at IS NULL; and start again.'
  );
}

function edited(name: string, directory: string): AppError {
  return new AppError(
    'START_REFUSED',
    `${join(directory, name, 'migration.sql')} was edited after this database applied it. ` +
      'Restore the file as it was and put the change into a new migration.',
  );
}

/** A checkout may have rewritten the line ends; Prisma looks past that too. */
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

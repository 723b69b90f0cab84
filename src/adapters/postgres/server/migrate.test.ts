import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { onDatabase, withClient } from '../../../testing/postgres-server.ts';
import { migrate, migrationsDirectory } from './migrate.ts';

let directory: string;
let client: pg.Client;
let connect: () => Promise<pg.Client>;
const undo: (() => unknown)[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'unseen-migrations-'));
  const server = inject('postgres').connectionString;
  const database = `unseen_migrate_${randomBytes(6).toString('hex')}`;
  await withClient(server, (admin) => admin.query(`CREATE DATABASE ${database}`));
  connect = async () => {
    const connection = new pg.Client({ connectionString: onDatabase(server, database) });
    connection.on('error', () => undefined);
    await connection.connect();
    undo.push(() => connection.end());
    return connection;
  };
  undo.push(
    () => rmSync(directory, { recursive: true }),
    () => withClient(server, (admin) => admin.query(`DROP DATABASE ${database} WITH (FORCE)`)),
  );
  client = await connect();
});

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

describe('migrate', () => {
  it('applies all migrations to an empty database, and finds nothing to do the next time', async () => {
    const { applied } = await migrate(client, { directory: migrationsDirectory });
    expect(applied[0]).toMatch(/_init$/);
    expect((await client.query('SELECT head FROM log_head')).rows).toEqual([{ head: '0' }]);
    expect(await migrate(client, { directory: migrationsDirectory })).toEqual({ applied: [], unknown: [] });
  });

  it('applies migrations in the order of their names and records each migration like Prisma', async () => {
    write('2_second', 'ALTER TABLE thing ADD COLUMN name TEXT -- the end of the file is in a comment');
    write('1_first', 'CREATE TABLE thing (id INT);\n');
    expect(await migrate(client, { directory })).toEqual({ applied: ['1_first', '2_second'], unknown: [] });
    expect(await booked()).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        // The checksum is the output of sha256sum for the file.
        checksum: 'f9e82ea6d7116b9a7c92ccc8736b52425b8b7f119bece1ae82784f203080537c',
        migration_name: '1_first',
        started_at: expect.any(Date),
        finished_at: expect.any(Date),
        rolled_back_at: null,
        logs: null,
        applied_steps_count: 1,
      },
      expect.objectContaining({ migration_name: '2_second' }),
    ]);
  });

  it('applies a migration only once if several processes start at the same time', async () => {
    write('1_first', 'CREATE TABLE thing (id INT); SELECT pg_sleep(0.05);');
    const clients = await Promise.all([1, 2, 3, 4].map(connect));
    const reports = await Promise.all(clients.map((each) => migrate(each, { directory })));
    expect(reports.flatMap(({ applied }) => applied)).toEqual(['1_first']);
    expect(await booked()).toHaveLength(1);
  });

  describe('with an index that is created concurrently', () => {
    const thing = 'CREATE TABLE thing (id INT); INSERT INTO thing VALUES (1), (1);';
    const index = 'CREATE INDEX CONCURRENTLY IF NOT EXISTS "thing_idx" ON thing (id);';
    const isValid = async () =>
      (await client.query(`SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('thing_idx')`))
        .rows;

    it('creates the index outside a transaction, and only once if several processes start at the same time', async () => {
      write('1_first', thing);
      write('2_index', index);
      const clients = await Promise.all([1, 2, 3, 4].map(connect));
      const reports = await Promise.all(clients.map((each) => migrate(each, { directory })));
      expect(reports.flatMap(({ applied }) => applied)).toEqual(['1_first', '2_index']);
      expect(await isValid()).toEqual([{ indisvalid: true }]);
      write('3_drop', 'DROP INDEX CONCURRENTLY IF EXISTS "thing_idx";');
      expect(await migrate(client, { directory })).toMatchObject({ applied: ['3_drop'] });
      expect(await isValid()).toEqual([]);
    });

    it('creates the index again if the creation was interrupted', async () => {
      write('1_first', thing);
      await migrate(client, { directory });
      // The failed statement leaves an unfinished index.
      await expect(client.query(index.replace('INDEX', 'UNIQUE INDEX'))).rejects.toThrow('could not create');
      expect(await isValid()).toEqual([{ indisvalid: false }]);
      write('2_index', index);
      await migrate(client, { directory });
      expect(await isValid()).toEqual([{ indisvalid: true }]);
    });

    it('records the migration if a process was killed between the index and the record', async () => {
      write('1_first', thing);
      await migrate(client, { directory });
      await client.query(index);
      write('2_index', index);
      expect(await migrate(client, { directory })).toMatchObject({ applied: ['2_index'] });
      expect(await isValid()).toEqual([{ indisvalid: true }]);
    });
  });

  it('refuses an applied migration whose file was edited, and applies nothing', async () => {
    write('2_second', 'CREATE TABLE thing (id INT);');
    await migrate(client, { directory });
    write('2_second', 'CREATE TABLE thing (id BIGINT);');
    write('1_first', 'CREATE TABLE other (id INT);');
    await expect(migrate(client, { directory })).rejects.toMatchObject({
      code: 'START_REFUSED',
      message: expect.stringMatching(/2_second.migration\.sql was edited .* new migration/),
    });
    expect(await booked()).toHaveLength(1);
  });

  it('accepts a file in which a checkout has changed only the line ends', async () => {
    write('1_first', 'CREATE TABLE\nthing (id INT);\n');
    await migrate(client, { directory });
    write('1_first', 'CREATE TABLE\r\nthing (id INT);\r\n');
    expect(await migrate(client, { directory })).toEqual({ applied: [], unknown: [] });
  });

  it('rolls back a failed migration, and refuses to run until an operator resolves it as the message says', async () => {
    write('1_first', `CREATE TABLE thing (id INT); INSERT INTO thing VALUES ('x');`);
    const failed = await rejectionOf(migrate(client, { directory }));
    expect(failed).toMatchObject({ code: 'START_REFUSED', cause: expect.any(pg.DatabaseError) });
    expect(failed.message).toContain('Migration 1_first failed: invalid input syntax for type integer: "x".');
    expect(await booked()).toMatchObject([
      { finished_at: null, applied_steps_count: 0, logs: expect.stringContaining('invalid') },
    ]);

    write('1_first', 'CREATE TABLE thing (id INT);');
    const blocked = await rejectionOf(migrate(client, { directory }));
    expect(blocked).toMatchObject({ code: 'START_REFUSED' });
    expect(blocked.message).toMatch(/^Migration 1_first failed earlier\./);

    await client.query(/UPDATE .*;/.exec(blocked.message)?.[0] ?? '');
    expect(await migrate(client, { directory })).toEqual({ applied: ['1_first'], unknown: [] });
  });

  it('leaves no part of an interrupted migration, and the next start repeats the migration', async () => {
    write('1_first', 'CREATE TABLE thing (id INT); SELECT pg_terminate_backend(pg_backend_pid());');
    await expect(migrate(client, { directory })).rejects.toMatchObject({ code: 'START_REFUSED' });
    write('1_first', 'CREATE TABLE thing (id INT);');
    expect(await migrate(await connect(), { directory })).toEqual({ applied: ['1_first'], unknown: [] });
  });

  it('accepts and reports migrations of a newer version', async () => {
    write('1_first', 'CREATE TABLE thing (id INT);');
    write('2_newer', 'ALTER TABLE thing ADD COLUMN name TEXT;');
    await migrate(client, { directory });
    rmSync(join(directory, '2_newer'), { recursive: true });
    expect(await migrate(client, { directory })).toEqual({ applied: [], unknown: ['2_newer'] });
  });

  it('reports unreadable migrations and a missing right to change the database', async () => {
    await expect(migrate(client, { directory: join(directory, 'nowhere') })).rejects.toMatchObject({
      code: 'START_REFUSED',
      message: expect.stringMatching(/nowhere cannot be read .* Reinstall/),
    });
    await client.query('BEGIN; CREATE ROLE unseen_test_reader; SET LOCAL ROLE unseen_test_reader');
    await expect(migrate(client, { directory: migrationsDirectory })).rejects.toMatchObject({
      code: 'START_REFUSED',
      message: expect.stringMatching(/permission denied.* DATABASE_URL/),
    });
    await client.query('ROLLBACK');
  });

  it('releases its lock after every outcome', async () => {
    write('1_first', 'nonsense');
    await expect(migrate(client, { directory })).rejects.toThrow();
    const other = await connect();
    const { rows } = await other.query('SELECT pg_try_advisory_lock(72707369) AS free');
    expect(rows).toEqual([{ free: true }]);
  });
});

function write(name: string, sql: string): void {
  mkdirSync(join(directory, name), { recursive: true });
  writeFileSync(join(directory, name, 'migration.sql'), sql);
}

async function booked(): Promise<unknown[]> {
  return (await client.query('SELECT * FROM _prisma_migrations ORDER BY started_at')).rows;
}

async function rejectionOf(promise: Promise<unknown>): Promise<Error> {
  const reason = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(reason instanceof Error)) throw new Error('It was not refused.');
  return reason;
}

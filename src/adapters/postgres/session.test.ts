import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { silent } from '../../ports/logger.ts';
import { type Line, openLine } from '../../testing/line.ts';
import { connectionStringOf, onDatabase, withClient } from '../../testing/postgres-server.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { connect } from './connection.ts';
import { examinePostgres } from './doctor.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded/embedded.ts';
import { startConsumption } from './log/consumption.ts';
import { createRecentReads } from './log/recent-reads.ts';
import { migrationsDirectory } from './server/migrate.ts';
import { migrateOn } from './server/server.ts';
import { Session } from './session.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const close of closing.splice(0).reverse()) await close();
});

async function openStorage(): Promise<TestStorage> {
  const storage = await openTestStorage();
  closing.push(storage.close);
  return storage;
}

const alice = { tenantId: 'default', userId: 'alice' };
const lifeMs = 30 * 60_000;

/** Advances the clock of the sessions by this time. */
function passMs(ms: number): void {
  const now = performance.now();
  vi.spyOn(performance, 'now').mockImplementation(() => now + ms);
}

describe('a session of a pool', () => {
  /** Builds a message of the protocol from its type and its content. */
  const message = (type: string, content: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(content.length + 4);
    return Buffer.concat([Buffer.from(type), length, content]);
  };
  const shutdown = ['SFATAL', 'VFATAL', 'C57P01', 'Mterminating connection'].join('\0');

  it('rejects its query if the server shuts down while the session opens', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () =>
        socket.end(
          Buffer.concat([
            message('R', Buffer.alloc(4)),
            message('Z', Buffer.from('I')),
            message('E', Buffer.from(`${shutdown}\0\0`)),
          ]),
        ),
      );
    }).listen(0, '127.0.0.1');
    closing.push(async () => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const pool = new pg.Pool({ Client: Session, host: '127.0.0.1', port, user: 'unseen', ssl: false });
    // Without an error listener the pool would end the process too.
    pool.on('error', () => {});
    closing.push(() => pool.end());
    await expect(pool.query('SELECT 1')).rejects.toThrow();
  });
});

describe('a database that was read-only', () => {
  /** Runs five writes at the same time, each on its own session. Returns how many writes succeeded. */
  async function write({ store }: TestStorage): Promise<number> {
    const writes = Array.from({ length: 5 }, () =>
      store.transaction((transaction) => transaction.ensureUsers([alice], new Date())),
    );
    return (await Promise.allSettled(writes)).filter(({ status }) => status === 'fulfilled').length;
  }
  const ofThis = (sql: string) => `DO $$ BEGIN EXECUTE format('${sql}', current_database()); END $$`;

  it('is not ready until it accepts writes, and then every session can write at once', async () => {
    const storage = await openStorage();
    const { store, query } = storage;
    expect(await write(storage)).toBe(5);
    expect(await store.problem()).toBeUndefined();
    await query(ofThis('ALTER DATABASE %I SET default_transaction_read_only = on'));
    await query(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'unseen'`);
    await vi.waitFor(async () => expect(await store.problem()).toBe('PostgreSQL is read-only'));
    await vi.waitFor(() => store.ping());
    expect(await write(storage)).toBe(0);
    expect(await store.problem()).toBe('PostgreSQL is read-only');

    await query(
      `SET default_transaction_read_only = off; ${ofThis('ALTER DATABASE %I RESET default_transaction_read_only')}`,
    );
    await vi.waitFor(async () => expect(await store.problem()).toBeUndefined(), { timeout: 10_000 });
    for (let round = 0; round < 4; round += 1) expect(await write(storage)).toBe(5);
  });

  it('is not ready while every write fails for another reason, and is ready when writes succeed again', async () => {
    const storage = await openStorage();
    const { store, query } = storage;
    await query('ALTER TABLE app_user RENAME TO elsewhere');
    expect(await write(storage)).toBe(0);
    expect(await store.problem()).toBeUndefined();
    passMs(11_000);
    expect(await write(storage)).toBe(0);
    expect(await store.problem()).toMatch(/^writes to PostgreSQL fail: relation "app_user" does not exist$/);
    // If there were no recent writes, a new session decides.
    passMs(11_000);
    expect(await store.problem()).toBeUndefined();
    await query('ALTER TABLE elsewhere RENAME TO app_user');
    expect(await write(storage)).toBe(5);
    expect(await store.problem()).toBeUndefined();
  });
});

describe('a session', () => {
  const pidOf = async ({ pool }: { readonly pool: pg.Pool }) =>
    (await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid;

  it('is replaced after about half an hour', async () => {
    const { database } = await openStorage();
    const first = await pidOf(database);
    expect(await pidOf(database)).toBe(first);
    passMs(1.2 * lifeMs);
    // This query is the last use of the old session.
    await pidOf(database);
    vi.restoreAllMocks();
    expect(await pidOf(database)).not.toBe(first);
  });

  it('ends at another time than sessions that started at the same time', () => {
    const sessions = Array.from({ length: 100 }, () => new Session());
    const spent = () => sessions.filter(({ isSpent }) => isSpent).length;
    passMs(0.79 * lifeMs);
    expect(spent()).toBe(0);
    passMs(0.21 * lifeMs);
    expect(spent()).toBeGreaterThan(10);
    expect(spent()).toBeLessThan(90);
    passMs(0.21 * lifeMs);
    expect(spent()).toBe(100);
  });

  it('is replaced if a migration makes its prepared statements invalid', async () => {
    const { database, query } = await openStorage();
    await query('CREATE TABLE thing (id int)');
    const client = await database.pool.connect();
    const read = { name: 'things', text: 'SELECT * FROM thing' };
    await client.query(read);
    await query('ALTER TABLE thing ALTER id TYPE text');
    await expect(client.query(read)).rejects.toMatchObject({ code: '0A000' });
    client.release();
    expect((await database.pool.query(read)).rows).toEqual([]);
  });
});

it('a consumer leaves no timer when it stops while its servers are unreachable', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  closing.push(async () => vi.useRealTimers());
  const warn = vi.fn();
  const { stop } = startConsumption(
    {
      connection: { connectionString: 'postgresql://127.0.0.1:1,127.0.0.1:2/unseen' },
      logger: { ...silent, warn },
      recentReads: createRecentReads(),
      isOwn: () => false,
    },
    { group: 'reader', topics: [], handle: async () => {} },
    { batchSize: 1, retryMs: 1 },
  );
  await vi.waitFor(() => expect(warn.mock.calls.length).toBeGreaterThan(2));
  await stop();
  expect(vi.getTimerCount()).toBe(0);
});

describe('a URL with several hosts', () => {
  let servers: readonly EmbeddedPostgres[];
  beforeAll(async () => {
    servers = await Promise.all([1, 2].map(() => startEmbeddedPostgres({ ephemeral: true })));
  }, 60_000);
  afterAll(() => Promise.all(servers.map((server) => server.stop())));

  const onServer = (n: number, sql: string) =>
    withClient(
      onDatabase(connectionStringOf((servers[n] as EmbeddedPostgres).connection), 'postgres'),
      (client) => client.query(sql),
    );
  /**
   * Makes the server at the index `primary` the only server that accepts writes. Both servers close their
   * sessions.
   */
  async function promote(primary: number): Promise<void> {
    for (const n of [0, 1]) {
      const isReadOnly = n === primary ? 'off' : 'on';
      await onServer(
        n,
        `BEGIN READ WRITE; ALTER DATABASE postgres SET default_transaction_read_only = ${isReadOnly}; COMMIT;
         SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'postgres' AND pid <> pg_backend_pid()`,
      );
    }
  }

  /** Opens a proxy to each of the two servers. Returns the proxies and a URL with both hosts. */
  async function openLines() {
    const lines = await Promise.all(
      servers.map(({ connection }) => openLine(connectionStringOf(connection))),
    );
    for (const line of lines) closing.push(() => line.close().catch(() => {}));
    const [a, b] = lines as [Line, Line];
    const hosts = lines.map(({ connectionString }) => new URL(connectionString).host);
    const connectionString = `${a.connectionString.replace(/@.*/, '')}@${hosts.join(',')}/postgres`;
    return {
      a,
      b,
      hosts,
      connection: { connectionString: `${connectionString}?target_session_attrs=read-write` },
    };
  }

  it('connects every session to the server that accepts writes, even after a failover', async () => {
    await promote(1);
    const { connection } = await openLines();
    const database = connect(connection, { maxConnections: 4 });
    closing.push(database.close);
    await database.pool.query('CREATE TABLE there (n int)');
    expect((await onServer(1, `SELECT to_regclass('there') AS it`)).rows).toEqual([{ it: 'there' }]);
    const { applied } = await migrateOn({ logger: silent }, connection);
    expect(applied.length).toBeGreaterThan(10);
    expect((await onServer(1, `SELECT to_regclass('app_user') AS it`)).rows).toEqual([{ it: 'app_user' }]);

    await promote(0);
    await vi.waitFor(() => database.pool.query('CREATE TABLE here (n int)'), { timeout: 5_000 });
    expect((await onServer(0, `SELECT to_regclass('here') AS it`)).rows).toEqual([{ it: 'here' }]);
    expect(await database.writes.problem()).toBeUndefined();
  }, 60_000);

  it('skips servers that are unreachable or do not answer, and the error has a reason for each server', async () => {
    await promote(1);
    const { a, b, hosts, connection } = await openLines();
    const isOpened = async () => {
      const session = new Session({ ...connection, connectionTimeoutMillis: 5_000 });
      session.on('error', () => {});
      await session.connect();
      await session.end();
    };
    await isOpened();
    a.set('silent');
    await isOpened();
    await a.close();
    await isOpened();
    await promote(0);
    const error = await isOpened().catch((thrown: Error) => thrown);
    expect(error).toMatchObject({
      code: '08001',
      message: `none of the hosts ${hosts.toReversed().join(', ')} accepts writes: ${hosts[1]}: read-only, ${hosts[0]}: connect ECONNREFUSED ${hosts[0]}`,
    });
    const options = {
      migrations: migrationsDirectory,
      poolSize: 4,
      log: { kind: 'postgres', namespace: '' },
    } as const;
    expect(await examinePostgres(connection, options)).toMatchObject([
      { state: 'failed', found: expect.stringMatching(/^cannot be reached: none of the hosts .* read-only/) },
    ]);
    b.set('silent');
  }, 60_000);
});

import pg from 'pg';
import { builtIn } from '../built.ts';
import { emptyInbox, fullInbox, largeTable, smallTable } from '../goals.ts';
import type { InboxOptions } from '../servers/inbox.ts';
import type { Bench, Running, Sample, Suite } from '../suite.ts';

const user = { tenantId: 'default', userId: 'measured' };
const unread = 100_000;

interface Seed {
  /** Unread notifications of the measured user. */
  readonly own: number;
  /** Of 2 000 others, so many in all. */
  readonly others: number;
}

async function createSeeded({ postgres, options }: Bench, { own, others }: Seed): Promise<string> {
  const databaseUrl = await postgres.createDatabase('migrated');
  const built = builtIn(options.dist);
  const { connect } = await built.connection();
  const { createPostgresStore } = await built.store();
  const store = createPostgresStore(connect({ connectionString: databaseUrl }, { maxConnections: 2 }));
  await store.transaction((transaction) => transaction.ensureUsers([user], new Date()));
  await store.close();
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const insert = async (userId: string, count: number, users: number) => {
    if (count === 0) return;
    await client.query(
      `INSERT INTO app_user (tenant_id, user_id, created_at)
       SELECT DISTINCT $1, ${userId}, now() FROM generate_series(0, $2::int - 1) AS n ON CONFLICT DO NOTHING`,
      [user.tenantId, users],
    );
    await client.query(
      `INSERT INTO notification (tenant_id, user_id, id, seq, status, category, severity, title, created_at, delivered_at)
       SELECT $1, ${userId}, gen_random_uuid(), n / $3::int + 1, 'DELIVERED', 'general', 'NORMAL', 'Notification ' || n,
         now() - interval '1 day', now() - interval '1 day'
       FROM generate_series(0, $2::int - 1) AS n`,
      [user.tenantId, count, users],
    );
    await client.query(
      `INSERT INTO inbox (tenant_id, user_id, unseen, unread, last_seq, opened_seq, version, updated_at)
       SELECT $1, ${userId}, 0, $2::int / $3::int, $2::int / $3::int, $2::int / $3::int, 1, now()
       FROM generate_series(0, $3::int - 1) AS n`,
      [user.tenantId, count, users],
    );
  };
  await insert(`'user-' || n % 2000`, others, 2_000);
  await insert(`'${user.userId}'`, own, 1);
  await client.query('VACUUM ANALYZE');
  await client.end();
  return databaseUrl;
}

async function running(bench: Bench, seed: Seed, reads: boolean): Promise<Running> {
  const options: InboxOptions = {
    dist: bench.options.dist,
    databaseUrl: await createSeeded(bench, seed),
    user,
    reads,
  };
  const child = await bench.startServer<object>('inbox', options);
  return {
    async turn(seconds) {
      await bench.postgres.checkpoint();
      return child.call<Sample>('run', { seconds });
    },
    stop: () => child.stop(),
  };
}

/** An inbox nobody reads, beside one that is read. */
export const inboxSuite: Suite = {
  name: 'inbox',
  loads: 1,
  variants: {
    [fullInbox]: (bench) => running(bench, { own: unread, others: 20_000 }, false),
    [emptyInbox]: (bench) => running(bench, { own: 0, others: 20_000 + unread }, true),
  },
};

/** The same inbox of 200 among few notifications and among many. */
export const tableSuite: Suite = {
  name: 'table',
  loads: 1,
  variants: {
    [largeTable]: (bench) => running(bench, { own: 200, others: 10_000_000 }, false),
    [smallTable]: (bench) => running(bench, { own: 200, others: 10_000 }, false),
  },
};

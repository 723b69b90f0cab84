import pg from 'pg';
import { builtIn } from '../built.ts';
import { emptyInbox, fullInbox, largeTable, smallTable } from '../goals.ts';
import type { InboxOptions } from '../servers/inbox.ts';
import type { Bench, Running, Sample, Suite } from '../suite.ts';

const user = { tenantId: 'default', userId: 'measured' };
const unread = 100_000;
const otherUsers = 2_000;

interface Seed {
  /** The number of unread notifications of the measured user. */
  readonly own: number;
  /** The number of notifications of the 2 000 other users together. A multiple of 2 000. */
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
  try {
    // The statement inserts the rows user by user, in the order of every index. Ten million rows take minutes
    // in this order, and hours in any other order.
    const insert = async (userIds: readonly string[], each: number) => {
      await client.query(
        `INSERT INTO app_user (tenant_id, user_id, created_at) SELECT $1, unnest($2::text[]), now()
       ON CONFLICT DO NOTHING`,
        [user.tenantId, userIds],
      );
      await client.query(
        `INSERT INTO notification (tenant_id, user_id, id, seq, status, category, severity, title, created_at, delivered_at)
       SELECT $1, user_id, (left(md5(left(user_id, 1)), 1) || lpad(to_hex(u * $3::bigint + seq), 31, '0'))::uuid, seq, 'DELIVERED',
         'general', 'NORMAL', 'Notification ' || seq, now() - interval '1 day', now() - interval '1 day'
       FROM unnest($2::text[]) WITH ORDINALITY AS named (user_id, u), generate_series(1, $3::int) AS seq`,
        [user.tenantId, userIds, each],
      );
      await client.query(
        `INSERT INTO inbox (tenant_id, user_id, unseen, unread, last_seq, opened_seq, version, updated_at)
       SELECT $1, unnest($2::text[]), 0, $3::int, $3::int, $3::int, 1, now()`,
        [user.tenantId, userIds, each],
      );
    };
    const otherIds = Array.from({ length: otherUsers }, (_, n) => `user-${String(n).padStart(4, '0')}`);
    await insert(otherIds, others / otherUsers);
    if (own > 0) await insert([user.userId], own);
    await client.query('VACUUM ANALYZE');
  } finally {
    await client.end();
  }
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

/** Compares an unread inbox with an inbox whose user reads every notification. */
export const inboxSuite: Suite = {
  name: 'inbox',
  loads: 1,
  variants: {
    [fullInbox]: (bench) => running(bench, { own: unread, others: 20_000 }, false),
    [emptyInbox]: (bench) => running(bench, { own: 0, others: 20_000 + unread }, true),
  },
};

/** Measures the same inbox of 200 in a small and in a large table. */
export const tableSuite: Suite = {
  name: 'table',
  loads: 1,
  variants: {
    [largeTable]: (bench) => running(bench, { own: 200, others: 10_000_000 }, false),
    [smallTable]: (bench) => running(bench, { own: 200, others: 10_000 }, false),
  },
};

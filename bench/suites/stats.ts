import pg from 'pg';
import { builtIn } from '../built.ts';
import { api, bareSql } from '../goals.ts';
import type { ClosedLoopResult } from '../load/closed-loop.ts';
import { userStats } from '../requests.ts';
import type { SqlOptions } from '../servers/sql.ts';
import type { UnseenOptions } from '../servers/unseen.ts';
import { type Bench, cpuFigures, measureCpu, type Running, type Suite, underHttpLoad } from '../suite.ts';
import { serviceToken } from '../tokens.ts';

const viewsInWindow = 2_000;
const windowDays = 30;

/** Rows of other users, so that the index has a size. */
const backgroundRows = 300_000;

const user = { tenantId: 'default', userId: 'measured' };
const dayMs = 86_400_000;

interface Seeded {
  readonly databaseUrl: string;
  readonly window: NonNullable<SqlOptions['window']>;
}

let seeded: Promise<Seeded> | undefined;

/** Both variants read the same rows. */
function seed(bench: Bench): Promise<Seeded> {
  seeded ??= createSeeded(bench);
  return seeded;
}

async function createSeeded({ postgres, options }: Bench): Promise<Seeded> {
  const databaseUrl = await postgres.createDatabase('migrated');
  const asOf = new Date();
  const built = builtIn(options.dist);
  const { connect } = await built.connection();
  const { createPostgresStore } = await built.store();
  const store = createPostgresStore(connect({ connectionString: databaseUrl }, { maxConnections: 2 }));
  const days = Array.from({ length: 3 * windowDays }, (_, day) => new Date(asOf.getTime() - day * dayMs));
  await store.preparePageViews(days);
  await store.transaction((transaction) => transaction.ensureUsers([user], asOf));
  await store.close();

  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const insert = (userId: string, count: number, firstDayAgo: number, lastDayAgo: number) =>
    client.query(
      `INSERT INTO page_view (tenant_id, user_id, occurred_at, id, name, path, received_at)
       SELECT $1, ${userId}, at, gen_random_uuid(), 'Page ' || n % 40, '/page/' || n % 40, at
       FROM generate_series(1, $2::int) AS n,
         LATERAL (SELECT $3::timestamptz - interval '1 day' * ($4::float8 + n * ($5::float8 - $4::float8) / ($2::int + 1)) AS at) AS moment`,
      [user.tenantId, count, asOf, lastDayAgo, firstDayAgo],
    );
  await insert(`'${user.userId}'`, viewsInWindow, windowDays - 1.5, 0);
  await insert(`'${user.userId}'`, viewsInWindow, 2 * windowDays, windowDays + 1);
  await insert(`'user-' || n % 2000`, backgroundRows, 2 * windowDays, 0);
  // The visibility map lets the index alone answer.
  await client.query('VACUUM ANALYZE page_view');
  await client.end();
  return { databaseUrl, window: { days: windowDays, timeZone: 'Europe/Berlin', asOf: asOf.toISOString() } };
}

export const statsSuite: Suite = {
  name: 'stats',
  loads: 1,
  variants: {
    async [api](bench) {
      const { databaseUrl, window } = await seed(bench);
      const options: UnseenOptions = {
        dist: bench.options.dist,
        databaseUrl,
        secret: bench.secret,
        runs: 'api',
      };
      const request = {
        body: userStats(user.userId, window),
        tokens: [await serviceToken(bench)],
        expect: `"pageViewCount":${viewsInWindow},`,
      };
      return underHttpLoad(bench, { name: 'unseen', options }, [
        { suffix: '', connections: 1, spin: false, request, events: 1 },
      ]);
    },
    async [bareSql](bench) {
      const { databaseUrl, window } = await seed(bench);
      const options: SqlOptions = { dist: bench.options.dist, databaseUrl, user, window };
      return bareSqlRunning(bench, options);
    },
  },
};

/** A statement asked again and again over one connection. */
export async function bareSqlRunning(bench: Bench, options: SqlOptions): Promise<Running> {
  const child = await bench.startServer<object>('sql', options);
  return {
    async turn(seconds) {
      await bench.postgres.checkpoint();
      const { result, ...usage } = await measureCpu(bench, child, () =>
        child.call<ClosedLoopResult>('run', { seconds }),
      );
      const { requests, perSecond, p50Ms, p99Ms } = result;
      return { perSecond, p50Ms, p99Ms, ...cpuFigures(usage, requests) };
    },
    stop: () => child.stop(),
  };
}

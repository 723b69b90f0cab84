import pg from 'pg';
import { builtIn } from '../built.ts';
import { api, bareSql, statsSizes } from '../goals.ts';
import type { ClosedLoopResult } from '../load/closed-loop.ts';
import { userStats } from '../requests.ts';
import type { Asked, SqlOptions, StatsWindow } from '../servers/sql.ts';
import type { UnseenOptions } from '../servers/unseen.ts';
import {
  type Bench,
  cpuFigures,
  measureCpu,
  type Running,
  type Sample,
  type Suite,
  suffixed,
  underHttpLoad,
} from '../suite.ts';
import { serviceToken } from '../tokens.ts';

const windowDays = 30;
const dayMs = 86_400_000;

/**
 * `sizes` are the numbers of views in the window. Each number has its own user. `others` is the number of
 * rows of other users, so that the index has a realistic size.
 */
interface Table {
  readonly sizes: readonly number[];
  readonly others: number;
}

const userOf = (size: number) => ({ tenantId: 'default', userId: `measured-${size}` });

interface Seeded {
  readonly databaseUrl: string;
  readonly window: StatsWindow;
}

async function createSeeded({ postgres, options }: Bench, { sizes, others }: Table): Promise<Seeded> {
  const databaseUrl = await postgres.createDatabase('migrated');
  const asOf = new Date();
  const built = builtIn(options.dist);
  const { connect } = await built.connection();
  const { createPostgresStore } = await built.store();
  const store = createPostgresStore(connect({ connectionString: databaseUrl }, { maxConnections: 2 }));
  const days = Array.from({ length: 3 * windowDays }, (_, day) => new Date(asOf.getTime() - day * dayMs));
  await store.preparePageViews(days);
  await store.transaction((transaction) => transaction.ensureUsers(sizes.map(userOf), asOf));
  await store.close();

  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const insert = (userId: string, count: number, firstDayAgo: number, lastDayAgo: number) =>
    client.query(
      `INSERT INTO page_view (tenant_id, user_id, occurred_at, id, name, path, received_at)
       SELECT 'default', ${userId}, at, gen_random_uuid(), 'Page ' || n % 40, '/page/' || n % 40, at
       FROM generate_series(1, $1::int) AS n,
         LATERAL (SELECT $2::timestamptz - interval '1 day' * ($3::float8 + n * ($4::float8 - $3::float8) / ($1::int + 1)) AS at) AS moment`,
      [count, asOf, lastDayAgo, firstDayAgo],
    );
  for (const size of sizes) {
    await insert(`'${userOf(size).userId}'`, size, windowDays - 1.5, 0);
    await insert(`'${userOf(size).userId}'`, size, 2 * windowDays, windowDays + 1);
  }
  await insert(`'user-' || n % 2000`, others, 2 * windowDays, 0);
  // VACUUM fills the visibility map, which allows index-only scans.
  await client.query('VACUUM ANALYZE page_view');
  await client.end();
  return { databaseUrl, window: { days: windowDays, timeZone: 'Europe/Berlin', asOf: asOf.toISOString() } };
}

/**
 * Returns a suite over one table. Both variants read the same rows. Each size is a separate load of one user.
 */
function statsOver(name: string, table: Table): Suite {
  let seeded: Promise<Seeded> | undefined;
  const seed = (bench: Bench) => {
    seeded ??= createSeeded(bench, table);
    return seeded;
  };
  const suffixOf = (size: number) => (table.sizes.length === 1 ? '' : `@${size}`);
  return {
    name,
    loads: table.sizes.length,
    awake: true,
    variants: {
      async [api](bench) {
        const { databaseUrl, window } = await seed(bench);
        const { secret } = bench;
        const options: UnseenOptions = { dist: bench.options.dist, databaseUrl, secret, runs: 'api' };
        const tokens = [await serviceToken(bench)];
        const loads = table.sizes.map((size) => ({
          suffix: suffixOf(size),
          connections: 1,
          spin: false,
          request: {
            body: userStats(userOf(size).userId, window),
            tokens,
            expect: `"pageViewCount":${size},`,
          },
          events: 1,
        }));
        return underHttpLoad(bench, { name: 'unseen', options }, loads);
      },
      async [bareSql](bench) {
        const { databaseUrl, window } = await seed(bench);
        const loads = table.sizes.map((size) => ({
          suffix: suffixOf(size),
          ask: { user: userOf(size), window },
        }));
        return bareSqlRunning(bench, databaseUrl, loads);
      },
    },
  };
}

export const statsSuite = statsOver('stats', { sizes: [2_000], others: 300_000 });

/** Measures stats for several numbers of views in the window, in a large table. */
export const statsSizesSuite = statsOver('stats sizes', { sizes: statsSizes, others: 5_000_000 });

/** Runs each statement repeatedly over one connection, one execution at a time. */
export async function bareSqlRunning(
  bench: Bench,
  databaseUrl: string,
  loads: readonly { readonly suffix: string; readonly ask: Asked }[],
): Promise<Running> {
  const options: SqlOptions = { dist: bench.options.dist, databaseUrl };
  const child = await bench.startServer<object>('sql', options);
  return {
    async turn(seconds) {
      let sample: Sample = {};
      for (const { suffix, ask } of loads) {
        await bench.postgres.checkpoint();
        const { result, ...usage } = await measureCpu(bench, child, () =>
          child.call<ClosedLoopResult>('run', { seconds, ask }),
        );
        const { requests, perSecond, p50Ms, p99Ms } = result;
        const figures = { perSecond, p50Ms, p99Ms, ...cpuFigures(usage, requests) };
        sample = { ...sample, ...suffixed(figures, suffix) };
      }
      return sample;
    },
    stop: () => child.stop(),
  };
}

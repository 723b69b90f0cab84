import pg from 'pg';
import { api, bareSql } from '../goals.ts';
import { activityMetrics } from '../requests.ts';
import type { UnseenOptions } from '../servers/unseen.ts';
import { type Bench, type Suite, underHttpLoad } from '../suite.ts';
import { serviceToken } from '../tokens.ts';
import { bareSqlRunning } from './stats.ts';

const days = 30;
const hourMs = 3_600_000;
const types = ['page_view', 'click', 'download', 'scroll', 'search'];

interface Seeded {
  readonly databaseUrl: string;
  /** The requested range in whole hours. */
  readonly range: { readonly from: string; readonly to: string };
}

let seeded: Promise<Seeded> | undefined;

/** Creates the database for both variants, so that they read the same rows. */
function seed(bench: Bench): Promise<Seeded> {
  seeded ??= createSeeded(bench);
  return seeded;
}

/** Creates buckets of minutes, hours and days for three tenants, over twice the requested range. */
async function createSeeded({ postgres }: Bench): Promise<Seeded> {
  const databaseUrl = await postgres.createDatabase('migrated');
  const to = new Date(Math.floor(Date.now() / hourMs) * hourMs);
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const buckets = `
    FROM unnest(ARRAY['default', 'other', 'third']) AS tenant,
      (VALUES ('MINUTE', interval '1 minute'), ('HOUR', interval '1 hour'), ('DAY', interval '1 day')) AS level (name, step),
      generate_series(date_trunc('day', $1::timestamptz) - interval '${2 * days} days', $1::timestamptz, step) AS start`;
  await client.query(
    `INSERT INTO user_activity_metrics (tenant_id, granularity, bucket_start, unique_users, page_view_count, version, updated_at)
     SELECT tenant, name::granularity, start, 137, 2048, 12, start + step ${buckets}`,
    [to],
  );
  await client.query(
    `INSERT INTO user_activity_type (tenant_id, granularity, bucket_start, activity_type, count)
     SELECT tenant, name::granularity, start, type, 2048 / n ${buckets}, unnest($2::text[]) WITH ORDINALITY AS type (type, n)`,
    [to, types],
  );
  await client.query('VACUUM ANALYZE user_activity_metrics, user_activity_type');
  await client.end();
  const from = new Date(to.getTime() - days * 24 * hourMs);
  return { databaseUrl, range: { from: from.toISOString(), to: to.toISOString() } };
}

/** The same answer in hand-written SQL over the rollup tables: the buckets with their types. */
const byHand = `
  SELECT bucket_start, bucket_start + interval '1 hour' AS bucket_end, unique_users, page_view_count, by_type
  FROM user_activity_metrics JOIN (
    SELECT bucket_start, json_agg(json_build_object('activityType', activity_type, 'count', count) ORDER BY count DESC) AS by_type
    FROM user_activity_type
    WHERE tenant_id = $1 AND granularity = 'HOUR' AND bucket_start >= $2 AND bucket_start < $3
    GROUP BY bucket_start
  ) AS type USING (bucket_start)
  WHERE tenant_id = $1 AND granularity = 'HOUR' AND bucket_start >= $2 AND bucket_start < $3
  ORDER BY bucket_start`;

/** Measures a request for a month by hour, as a chart sends it. */
export const activitySuite: Suite = {
  name: 'activity',
  loads: 1,
  awake: true,
  variants: {
    async [api](bench) {
      const { databaseUrl, range } = await seed(bench);
      const { secret } = bench;
      const options: UnseenOptions = { dist: bench.options.dist, databaseUrl, secret, runs: 'api' };
      const request = {
        body: activityMetrics(range),
        tokens: [await serviceToken(bench)],
        expect: '{"activityType":"search","count":409}',
      };
      return underHttpLoad(bench, { name: 'unseen', options }, [
        { suffix: '', connections: 1, spin: false, request, events: 1 },
      ]);
    },
    async [bareSql](bench) {
      const { databaseUrl, range } = await seed(bench);
      const ask = { text: byHand, values: ['default', range.from, range.to] };
      return bareSqlRunning(bench, databaseUrl, [{ suffix: '', ask }]);
    },
  },
};

import pg from 'pg';
import { api, bareSql } from '../goals.ts';
import { userLimits } from '../requests.ts';
import type { UnseenOptions } from '../servers/unseen.ts';
import { type Bench, type Suite, underHttpLoad } from '../suite.ts';
import { serviceToken } from '../tokens.ts';
import { bareSqlRunning } from './stats.ts';

const limits = 50;

/** The number of other users, so that the index has a realistic size. */
const otherUsers = 2_000;

const user = { tenantId: 'default', userId: 'measured' };

/**
 * The simplest statement over our tables. The statement reads the limits, and the time zone that defines the
 * start of their days.
 */
const plainSelect = `
  SELECT l.*, u.time_zone FROM user_limit AS l JOIN app_user AS u USING (tenant_id, user_id)
  WHERE l.tenant_id = $1 AND l.user_id = $2 ORDER BY l.user_limit_id`;

let seeded: Promise<string> | undefined;

/** Creates the database for both variants, so that they read the same rows. */
function seed(bench: Bench): Promise<string> {
  seeded ??= createSeeded(bench);
  return seeded;
}

async function createSeeded({ postgres }: Bench): Promise<string> {
  const databaseUrl = await postgres.createDatabase('migrated');
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const insert = async (userId: string, users: number) => {
    await client.query(
      `INSERT INTO app_user (tenant_id, user_id, created_at)
       SELECT $1, ${userId}, now() FROM generate_series(1, $2::int) AS u`,
      [user.tenantId, users],
    );
    await client.query(
      `INSERT INTO user_limit (tenant_id, user_id, user_limit_id, brand_id, currency_code, type, period, status,
         active_from, value, definition_sequence, definition_event, previous_progress, amount, change_sequence,
         change_event, version, updated_at)
       SELECT $1, ${userId}, 'limit-' || n, 'brand-1', 'EUR', 'DEPOSIT', 'CALENDAR_WEEK', 'ACTIVE',
         now(), 10000.00, 1, 'a', 100.00, n, 2, 'b', 1, now()
       FROM generate_series(1, $2::int) AS u, generate_series(1, $3::int) AS n`,
      [user.tenantId, users, limits],
    );
  };
  await insert(`'${user.userId}'`, 1);
  await insert(`'user-' || u`, otherUsers);
  await client.query('VACUUM ANALYZE user_limit');
  await client.end();
  return databaseUrl;
}

/** Measures a request that reads all limits of a user. */
export const limitsSuite: Suite = {
  name: 'limits',
  loads: 1,
  awake: true,
  variants: {
    async [api](bench) {
      const options: UnseenOptions = {
        dist: bench.options.dist,
        databaseUrl: await seed(bench),
        secret: bench.secret,
        runs: 'api',
      };
      const request = {
        body: userLimits(user.userId),
        tokens: [await serviceToken(bench)],
        expect: '"remaining":"9850.00"',
      };
      return underHttpLoad(bench, { name: 'unseen', options }, [
        { suffix: '', connections: 1, spin: false, request, events: 1 },
      ]);
    },
    async [bareSql](bench) {
      const ask = { text: plainSelect, values: [user.tenantId, user.userId] };
      return bareSqlRunning(bench, await seed(bench), [{ suffix: '', ask }]);
    },
  },
};

import pg from 'pg';
import type { Sql } from '../../src/adapters/postgres/sql.ts';
import { builtIn } from '../built.ts';
import { answerParent, readArgument } from '../child-main.ts';
import { percentile } from '../statistics.ts';

export interface SqlOptions {
  readonly dist: string;
  readonly databaseUrl: string;
  readonly user: { readonly tenantId: string; readonly userId: string };
  /** Of `User.stats`; absent: the statement behind `User.limits`. */
  readonly window?: { readonly days: number; readonly timeZone: string; readonly asOf: string };
}

// The statement behind a field of `User`, as our own code writes it, prepared and asked over one connection.
const { dist, databaseUrl, user, window } = readArgument<SqlOptions>();
const built = builtIn(dist);
const client = new pg.Client({ connectionString: databaseUrl });
await client.connect();
const statement = await caughtStatement();

answerParent(
  {},
  {
    async run({ seconds }: { readonly seconds: number }) {
      const times: number[] = [];
      const endsAt = performance.now() + seconds * 1000;
      while (performance.now() < endsAt) {
        const start = performance.now();
        const { rows } = await client.query(statement);
        times.push(performance.now() - start);
        if (rows.length === 0) throw new Error('The statement answers nothing.');
      }
      const perSecond = times.length / seconds;
      return {
        requests: times.length,
        perSecond,
        p50Ms: percentile(times, 0.5),
        p99Ms: percentile(times, 0.99),
      };
    },
  },
);

/** Has our code write the statement and catches it on its way to the database. */
async function caughtStatement(): Promise<pg.QueryConfig> {
  const { sqlOn } = await built.sql();
  let caught: pg.QueryConfig | undefined;
  const query = (statement: pg.QueryConfig) => {
    caught = statement;
    throw new Error('caught');
  };
  await ask(sqlOn({ query } as unknown as pg.ClientBase)).catch(() => {});
  if (!caught) throw new Error('The field asks the database in another way than expected.');
  return caught;
}

async function ask(sql: Sql): Promise<void> {
  if (window) {
    const { windowOf } = await built.statsDomain();
    const { readStats } = await built.stats();
    const { days, timeZone, asOf } = window;
    await readStats(sql, user, windowOf({ days, timeZone, mode: 'CALENDAR', asOf: new Date(asOf) }));
  } else {
    const { createLimitQueries } = await built.limit();
    await createLimitQueries(sql).limits([user]);
  }
}

import pg from 'pg';
import { builtIn } from '../built.ts';
import { answerParent, readArgument } from '../child-main.ts';
import { percentile } from '../statistics.ts';

export interface SqlOptions {
  readonly dist: string;
  readonly databaseUrl: string;
  readonly user: { readonly tenantId: string; readonly userId: string };
  readonly window: { readonly days: number; readonly timeZone: string; readonly asOf: string };
}

// The statement behind `User.stats`, as our own code writes it, prepared and asked over one connection.
const { dist, databaseUrl, user, window } = readArgument<SqlOptions>();
const built = builtIn(dist);
const client = new pg.Client({ connectionString: databaseUrl });
await client.connect();
const statement = await statementOfStats();

answerParent(
  {},
  {
    async run({ seconds }: { readonly seconds: number }) {
      const times: number[] = [];
      const endsAt = performance.now() + seconds * 1000;
      while (performance.now() < endsAt) {
        const start = performance.now();
        const { rows } = await client.query<{ readonly pageViewCount: number }>(statement);
        times.push(performance.now() - start);
        if (rows[0]?.pageViewCount === undefined) throw new Error('The statement answers no count.');
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
async function statementOfStats(): Promise<pg.QueryConfig> {
  const { windowOf } = await built.statsDomain();
  const { readStats } = await built.stats();
  const { sqlOn } = await built.sql();
  let caught: pg.QueryConfig | undefined;
  const query = (statement: pg.QueryConfig) => {
    caught = statement;
    throw new Error('caught');
  };
  const { days, timeZone, asOf } = window;
  const range = windowOf({ days, timeZone, mode: 'CALENDAR', asOf: new Date(asOf) });
  await readStats(sqlOn({ query } as unknown as pg.ClientBase), user, range).catch(() => {});
  if (!caught) throw new Error('User.stats asks the database in another way than expected.');
  return caught;
}

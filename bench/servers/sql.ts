import pg from 'pg';
import type { Queryable } from '../../src/adapters/postgres/sql.ts';
import type { UserKey } from '../../src/domain/user.ts';
import { builtIn } from '../built.ts';
import { answerParent, readArgument } from '../child-main.ts';
import { percentile } from '../statistics.ts';

export interface SqlOptions {
  readonly dist: string;
  readonly databaseUrl: string;
}

export interface StatsWindow {
  readonly days: number;
  readonly timeZone: string;
  readonly asOf: string;
}

/** The parameters of our stats statement, or the text of a given statement. */
export type Asked =
  | { readonly user: UserKey; readonly window: StatsWindow }
  | { readonly text: string; readonly values: readonly string[] };

// Runs given statements, or the statements that our code writes for fields of `User`. The statements are
// prepared and run over one connection.
const { dist, databaseUrl } = readArgument<SqlOptions>();
const built = builtIn(dist);
const client = new pg.Client({ connectionString: databaseUrl });
await client.connect();
/**
 * Maps parameters to statements with separate names, because within a connection each name belongs to one
 * statement text.
 */
const statements = new Map<string, Promise<pg.QueryConfig>>();

answerParent(
  {},
  {
    async run({ seconds, ask }: { readonly seconds: number; readonly ask: Asked }) {
      const key = JSON.stringify(ask);
      if (!statements.has(key)) statements.set(key, statementOf(ask));
      const statement = await statements.get(key);
      if (!statement) throw new Error('The call has no statement.');
      const times: number[] = [];
      const endsAt = performance.now() + seconds * 1000;
      while (performance.now() < endsAt) {
        const start = performance.now();
        const { rows } = await client.query(statement);
        times.push(performance.now() - start);
        if (rows.length === 0) throw new Error('The statement returned no row.');
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

/** Lets our code write the statement, and intercepts the statement before it reaches the database. */
async function statementOf(asked: Asked): Promise<pg.QueryConfig> {
  if ('text' in asked) return { name: 'given', text: asked.text, values: [...asked.values] };
  const { queryable } = await built.sql();
  let caught: pg.QueryConfig | undefined;
  const query = (statement: pg.QueryConfig) => {
    caught = statement;
    throw new Error('caught');
  };
  await ask(asked, queryable({ query } as unknown as pg.ClientBase)).catch(() => {});
  if (!caught) throw new Error('The field did not query the database as expected.');
  return caught;
}

async function ask(asked: Exclude<Asked, { text: string }>, db: Queryable): Promise<void> {
  const { windowOf } = await built.statsDomain();
  const { readStats } = await built.stats();
  const { days, timeZone, asOf } = asked.window;
  await readStats(db, asked.user, windowOf({ days, timeZone, mode: 'CALENDAR', asOf: new Date(asOf) }));
}

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

/** A statement of ours, by what it is about, or one that is given. */
export type Asked =
  | { readonly user: UserKey; readonly window: StatsWindow }
  | { readonly text: string; readonly values: readonly string[] };

// Statements behind fields of `User`, as our own code writes them, or those given; prepared and asked over one connection.
const { dist, databaseUrl } = readArgument<SqlOptions>();
const built = builtIn(dist);
const client = new pg.Client({ connectionString: databaseUrl });
await client.connect();
/** By what is asked for: a name stands for one text on a connection. */
const statements = new Map<string, Promise<pg.QueryConfig>>();

answerParent(
  {},
  {
    async run({ seconds, ask }: { readonly seconds: number; readonly ask: Asked }) {
      const key = JSON.stringify(ask);
      if (!statements.has(key)) statements.set(key, statementOf(ask));
      const statement = await statements.get(key);
      if (!statement) throw new Error('There is nothing to ask.');
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
async function statementOf(asked: Asked): Promise<pg.QueryConfig> {
  if ('text' in asked) return { name: 'given', text: asked.text, values: [...asked.values] };
  const { queryable } = await built.sql();
  let caught: pg.QueryConfig | undefined;
  const query = (statement: pg.QueryConfig) => {
    caught = statement;
    throw new Error('caught');
  };
  await ask(asked, queryable({ query } as unknown as pg.ClientBase)).catch(() => {});
  if (!caught) throw new Error('The field asks the database in another way than expected.');
  return caught;
}

async function ask(asked: Exclude<Asked, { text: string }>, db: Queryable): Promise<void> {
  const { windowOf } = await built.statsDomain();
  const { readStats } = await built.stats();
  const { days, timeZone, asOf } = asked.window;
  await readStats(db, asked.user, windowOf({ days, timeZone, mode: 'CALENDAR', asOf: new Date(asOf) }));
}

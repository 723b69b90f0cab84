import type pg from 'pg';

/** Runs statements written as templates: a value in `${}` is a fragment made by `sql`, or else a bound parameter. */
export interface Queryable {
  /** The rows. `bigint` columns are BigInt, `timestamptz` Date, `jsonb` the parsed value. */
  query<Row>(strings: TemplateStringsArray, ...values: readonly unknown[]): Promise<Row[]>;
  /** How many rows were written. */
  execute(strings: TemplateStringsArray, ...values: readonly unknown[]): Promise<number>;
}

/** A part of a statement. Its values are fragments, or else bound parameters. */
export class Fragment {
  readonly strings: readonly string[];
  readonly values: readonly unknown[];

  constructor(strings: readonly string[], values: readonly unknown[]) {
    this.strings = strings;
    this.values = values;
  }
}

const raw = (text: string) => new Fragment([text], []);

/** A part of a statement, written as a template like the statement itself. */
export const sql = Object.assign(
  (strings: TemplateStringsArray, ...values: readonly unknown[]) => new Fragment(strings, values),
  {
    /** Text as it is. The text must never come from a caller. */
    raw,
    /** The parts with a separator between them; a part that is not a fragment is a bound parameter. At least one. */
    join: ([first, ...others]: readonly unknown[], separator = ',') =>
      new Fragment(['', ...others.map(() => separator), ''], [first, ...others]),
    /** No text. */
    empty: raw(''),
  },
);

/**
 * A column as lines, for `string_to_array(…, E'\n')`: of values that hold no line break. An array would have every element
 * escaped, which costs ten times as much.
 */
export function lines<Row>(rows: readonly Row[], column: (row: Row) => string | number): string {
  return rows.map(column).join('\n');
}

/** A column as an array; null when no row has anything there: `unnest` fills it up, and neither side reads it. */
export function sparse<Row, Value>(
  rows: readonly Row[],
  column: (row: Row) => Value | null,
): readonly (Value | null)[] | null {
  return rows.every((row) => column(row) === null) ? null : rows.map(column);
}

/** One of the texts of a template. */
interface Text {
  readonly text: string;
  uses: number;
  name?: string;
}

interface Template {
  readonly texts: Map<string, Text>;
  /** The text without fragments: always the same, and written once. */
  fixed?: Text;
  named: number;
}

const templates = new WeakMap<TemplateStringsArray, Template>();
let names = 0;

/** Text and parameters of a template. */
function statementOf(strings: TemplateStringsArray, values: readonly unknown[]): pg.QueryConfig {
  let template = templates.get(strings);
  if (template === undefined) {
    template = { texts: new Map(), named: 0 };
    templates.set(strings, template);
  }
  if (values.some((value) => value instanceof Fragment)) {
    const statement = { text: '', values: [] };
    write(strings, values, statement);
    return prepared(template, textOf(template, statement.text), statement.values);
  }
  template.fixed ??= textOf(
    template,
    strings.reduce((text, part, n) => `${text}$${n}${part}`),
  );
  return prepared(template, template.fixed, [...values]);
}

/** Appends a fragment to a statement. */
function write(
  strings: readonly string[],
  values: readonly unknown[],
  statement: { text: string; values: unknown[] },
): void {
  statement.text += strings[0];
  for (const [n, value] of values.entries()) {
    if (value instanceof Fragment) write(value.strings, value.values, statement);
    else statement.text += `$${statement.values.push(value)}`;
    statement.text += strings[n + 1];
  }
}

function textOf({ texts }: Template, text: string): Text {
  let known = texts.get(text);
  if (known === undefined) {
    known = { text, uses: 0 };
    texts.set(text, known);
  }
  return known;
}

/**
 * A statement with a name is planned once per connection, and kept there until the connection ends: some 70 kB each. A
 * template with optional parts has hundreds of texts, so each further one has to be used twice as often as the one before it
 * to get a name: what is used all the time soon has one, and those of all the ways to filter stay few.
 */
function prepared(template: Template, text: Text, values: unknown[]): pg.QueryConfig {
  // What has no parameters is DDL and the like, run once.
  if (values.length === 0) return { text: text.text };
  if (text.name === undefined) {
    text.uses += 1;
    if (text.uses >= 2 ** template.named) {
      template.named += 1;
      text.name = `unseen_${names++}`;
    }
  }
  return { name: text.name, text: text.text, values };
}

/**
 * SQL straight on a connection. A raw query through Prisma costs five times the CPU of one through pg, which every batch
 * and every request would pay (docs/decisions/0004-run-sql-for-batches-through-pg.md).
 */
export function queryable(client: Pick<pg.ClientBase, 'query'>): Queryable {
  const run = (strings: TemplateStringsArray, values: readonly unknown[]) =>
    client.query(statementOf(strings, values));
  return {
    query: async <Row>(strings: TemplateStringsArray, ...values: readonly unknown[]) =>
      (await run(strings, values)).rows as Row[],
    execute: async (strings, ...values) => (await run(strings, values)).rowCount ?? 0,
  };
}

/** Writes that are waited for together with the commit. */
export type Finish = (...writes: readonly Promise<void>[]) => void;

/**
 * Transactions, each on a connection of its own, rolled back when its work rejects. What `queriesOn` makes of a connection is
 * made once and serves its transactions one after the other.
 */
export function createTransactions<Queries>(
  pool: pg.Pool,
  queriesOn: (db: Queryable, finish: Finish) => Queries,
): <T>(work: (queries: Queries) => Promise<T>, begin?: string) => Promise<T> {
  const connections = new WeakMap<pg.ClientBase, { readonly queries: Queries; last: Promise<void>[] }>();

  function connectionOf(client: pg.ClientBase) {
    const known = connections.get(client);
    if (known) return known;
    const connection = {
      last: [] as Promise<void>[],
      queries: queriesOn(queryable(client), (...writes) => {
        connection.last.push(...writes);
        // Should the work fail after this, nobody waits for them any more.
        for (const write of writes) write.catch(() => {});
      }),
    };
    connections.set(client, connection);
    return connection;
  }

  return async (work, begin = 'BEGIN') => {
    const client = await pool.connect();
    const connection = connectionOf(client);
    connection.last = [];
    let broken = false;
    try {
      // BEGIN travels with the first statement; when it fails, so does that one.
      const [, result] = await Promise.all([client.query(begin), work(connection.queries)]);
      const { last } = connection;
      // What failed before its statement was sent, Postgres does not know about.
      await Promise.race([Promise.all(last), new Promise<void>((resolve) => process.nextTick(resolve))]);
      // Of a transaction in which a statement failed, COMMIT makes a ROLLBACK and says so without an error.
      const [{ command }] = await Promise.all([client.query('COMMIT'), ...last]);
      if (command !== 'COMMIT') throw new Error('a statement of the transaction failed and the work went on');
      return result;
    } catch (error) {
      // A connection that cannot even roll back, and that soon, is not given to anybody else.
      const rollback = { text: 'ROLLBACK', query_timeout: 1_000 };
      await client.query(rollback).catch(() => {
        broken = true;
      });
      throw error;
    } finally {
      client.release(broken);
    }
  };
}

/** Runs `work` while nobody else does anything of this name; false when somebody does. Ends with the connection. */
export async function exclusively(pool: pg.Pool, name: string, work: () => Promise<void>): Promise<boolean> {
  const client = await pool.connect();
  const ask = async (what: string) => {
    const { rows } = await client.query<{ done: boolean }>(`SELECT ${what}(hashtext($1)) AS done`, [name]);
    return rows[0]?.done === true;
  };
  try {
    if (!(await ask('pg_try_advisory_lock'))) return false;
    await work();
    return true;
  } finally {
    // A lock that could not be given back would go with the connection to whoever gets it next.
    await ask('pg_advisory_unlock').then(
      () => client.release(),
      () => client.release(true),
    );
  }
}

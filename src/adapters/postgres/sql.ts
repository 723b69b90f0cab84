import type pg from 'pg';

/**
 * Runs statements that are written as templates. A fragment of `sql` in `${}` becomes part of the statement.
 * Any other value becomes a bound parameter.
 */
export interface Queryable {
  /**
   * Returns the rows. A `bigint` column becomes a BigInt, a `timestamptz` column a Date, and a `jsonb` column
   * the parsed value.
   */
  query<Row>(strings: TemplateStringsArray, ...values: readonly unknown[]): Promise<Row[]>;
  /** Returns the number of written rows. */
  execute(strings: TemplateStringsArray, ...values: readonly unknown[]): Promise<number>;
}

/** A part of a statement. Its values are fragments or bound parameters. */
export class Fragment {
  readonly strings: readonly string[];
  readonly values: readonly unknown[];

  constructor(strings: readonly string[], values: readonly unknown[]) {
    this.strings = strings;
    this.values = values;
  }
}

const raw = (text: string) => new Fragment([text], []);

/** Makes a part of a statement from a template. */
export const sql = Object.assign(
  (strings: TemplateStringsArray, ...values: readonly unknown[]) => new Fragment(strings, values),
  {
    /**
     * Inserts a text into the statement unchanged. The text must never come from a caller, because it could
     * inject SQL.
     */
    raw,
    /**
     * Joins parts with a separator. A part that is not a fragment becomes a bound parameter. At least one
     * part is required.
     */
    join: ([first, ...others]: readonly unknown[], separator = ',') =>
      new Fragment(['', ...others.map(() => separator), ''], [first, ...others]),
    /** The empty fragment. */
    empty: raw(''),
  },
);

/**
 * Joins the values of a column with line breaks, for `string_to_array(…, E'\n')`. The values must not contain
 * a line break. Passing an array instead costs ten times as much, because pg escapes every element.
 */
export function lines<Row>(rows: readonly Row[], column: (row: Row) => string | number): string {
  return rows.map(column).join('\n');
}

/**
 * Returns the values of a column as an array, or null if every value is null. `unnest` fills a null column
 * with nulls, so neither pg nor PostgreSQL spends time on it.
 */
export function sparse<Row, Value>(
  rows: readonly Row[],
  column: (row: Row) => Value | null,
): readonly (Value | null)[] | null {
  return rows.every((row) => column(row) === null) ? null : rows.map(column);
}

/** One of the statements that a template has produced. */
interface Text {
  readonly text: string;
  uses: number;
  name?: string;
}

interface Template {
  readonly texts: Map<string, Text>;
  /** The text of a template without fragments. This text never changes, so it is built only once. */
  fixed?: Text;
  named: number;
}

const templates = new WeakMap<TemplateStringsArray, Template>();
let names = 0;

/** Builds the text and the parameters of a statement from a template. */
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
 * PostgreSQL plans a named statement once per connection and stores the plan until the connection ends. A
 * plan takes about 70 kB. A template with optional parts can produce hundreds of texts. So a text gets a name
 * only after a number of uses, and this number doubles with each name that its template has given. Frequent
 * texts soon get a name, and rare combinations of filters get none.
 */
function prepared(template: Template, text: Text, values: unknown[]): pg.QueryConfig {
  // A statement without parameters is usually DDL and runs only once.
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
 * Runs SQL directly on a connection of pg. A raw query through Prisma costs five times the CPU, in every
 * batch and every request (docs/decisions/0004-run-sql-for-batches-through-pg.md).
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

/** Registers writes of a transaction that need not be awaited before the commit. The commit awaits them. */
export type Finish = (...writes: readonly Promise<void>[]) => void;

/**
 * Runs each transaction on one connection of the pool, and rolls it back if its work rejects. `queriesOn` is
 * called once per connection. Its result is reused for all transactions on that connection, one at a time.
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
        // If the work of the transaction fails later, no code awaits these writes.
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
      // BEGIN is sent together with the first statement. If BEGIN fails, the first statement fails too.
      const [, result] = await Promise.all([client.query(begin), work(connection.queries)]);
      const { last } = connection;
      // A write may fail in this process before its statement is sent. PostgreSQL does not learn of such a
      // failure and would commit the transaction.
      await Promise.race([Promise.all(last), new Promise<void>((resolve) => process.nextTick(resolve))]);
      // If a statement of the transaction has failed, PostgreSQL rolls back at COMMIT and reports no error,
      // only the command ROLLBACK.
      const [{ command }] = await Promise.all([client.query('COMMIT'), ...last]);
      if (command !== 'COMMIT')
        throw new Error('a statement of the transaction failed, but its work resolved');
      return result;
    } catch (error) {
      // If the rollback fails or takes longer than this, the connection is closed.
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

/**
 * Runs `work` under an exclusive lock with this name. Resolves to false, without running `work`, if another
 * session holds the lock. The lock ends with the connection.
 */
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
    // If the unlock fails, the connection is closed. Otherwise the next user of the connection would still
    // hold the lock.
    await ask('pg_advisory_unlock').then(
      () => client.release(),
      () => client.release(true),
    );
  }
}

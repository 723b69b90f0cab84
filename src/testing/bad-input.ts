import { connect } from 'node:net';
import pg from 'pg';
import { expect, vi } from 'vitest';
import { startTestApp, type TestApp } from './app.ts';
import { withClient } from './postgres-server.ts';

/**
 * Text that no answer may contain, because the text would reveal details about the code, the paths or the
 * machine of the server.
 */
export const internals =
  /node_modules|file:\/\/|\/src\/|\/dist\/|\.[jt]s:\d|\n\s+at |prisma|postgres|apollo server|zod|jose|\bpg\b|select .* from|insert into|sqlstate|\b(app_user|page_view|inbox_opening|event_log|log_head|log_in_use|log_position|processed_event|idempotency_key|dead_letter|outbox|notification_preference|version_floor|item_view|early_item_view|item_viewer|waiting_record|item_collection|user_limit|user_limit_event|user_activity\w*|counted_event)\b|(type|range|reference|syntax)error\b|cannot read prop|undefined/i;

/**
 * Returns the number of rows and a digest of the rows for every table that requests can change. The worker
 * writes `sweep` without a request, so `sweep` is left out.
 */
export async function tables(
  connectionString: string,
): Promise<Readonly<Record<string, { readonly rows: number; readonly digest: string }>>> {
  return withClient(connectionString, async (client) => {
    const { rows: names } = await client.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class
       WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
       AND relname <> 'sweep' ORDER BY 1`,
    );
    const selects = names.map(({ name }) => {
      const table = pg.escapeIdentifier(name);
      return `SELECT ${pg.escapeLiteral(name)} AS name, count(*)::int AS rows,
        md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS digest FROM ${table} AS t`;
    });
    const { rows } = await client.query<{ name: string; rows: number; digest: string }>(
      selects.join('\nUNION ALL '),
    );
    return Object.fromEntries(rows.map(({ name, ...table }) => [name, table]));
  });
}

/** Returns the number of rows of each table. */
export async function rowCounts(connectionString: string): Promise<Readonly<Record<string, number>>> {
  const found = await tables(connectionString);
  return Object.fromEntries(Object.entries(found).map(([name, { rows }]) => [name, rows]));
}

/**
 * Sends raw bytes on a new connection. Resolves with everything the server sent before it closed the
 * connection.
 */
export function exchange(url: string, bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    let answer = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      answer += chunk;
    });
    // The server may refuse the request and close the connection before the client has sent everything.
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer));
  });
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly json: { readonly data?: unknown };
  /** The code of the first error, or else of the first userError. */
  readonly code: string | undefined;
  readonly message: string | undefined;
}

export interface RequestOptions {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: string;
}

/** A running program with stored data, and functions that send it bad input. */
export interface Probe {
  readonly app: TestApp;
  /** The token of alice. Requests use this token by default. */
  readonly alice: string;
  readonly service: string;
  /** Sends a raw body. */
  request(body: string | Uint8Array | undefined, options?: RequestOptions): Promise<Reply>;
  /** Sends an operation. `variables` may be JSON text, for numbers that JavaScript cannot represent. */
  run(query: string, variables?: unknown, token?: string): Promise<Reply>;
  /** Expects that no row has changed since the start, and that the program answers a valid request. */
  expectUnharmed(): Promise<void>;
}

export const goodBody = JSON.stringify({ query: '{ viewer { userId } }' });

/** Starts the program with the users alice and bob. Alice has a notification, a page view and a limit. */
export async function startProbe(): Promise<Probe> {
  const app = await startTestApp();
  const alice = await app.token();
  const service = await app.token({ role: 'service', subject: 'shop' });

  async function request(
    body: string | Uint8Array | undefined,
    { method = 'POST', path = '/graphql', token = alice, headers }: RequestOptions = {},
  ): Promise<Reply> {
    const response = await fetch(app.url + path, {
      method,
      body: body as BodyInit,
      redirect: 'manual',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers },
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true && text !== '';
    const json = isJson ? JSON.parse(text) : {};
    const userErrors = Object.values(json.data ?? {}).flatMap(
      (field) => (field as { userErrors?: { code: string; message: string }[] } | null)?.userErrors ?? [],
    );
    // A random id may contain any text by chance, so only error texts are checked.
    expect(JSON.stringify([json.errors, json.error, userErrors])).not.toMatch(internals);
    const [error] = json.errors ?? [];
    return {
      status: response.status,
      headers: response.headers,
      json,
      code: error?.extensions.code ?? userErrors[0]?.code,
      message: error?.message ?? userErrors[0]?.message,
    };
  }

  function run(query: string, variables: unknown = {}, token = alice): Promise<Reply> {
    const json = typeof variables === 'string' ? variables : JSON.stringify(variables);
    return request(`{"query":${JSON.stringify(query)},"variables":${json}}`, { token });
  }

  const users = ['alice', 'bob'].map((userId) => ({ userId, patch: {} }));
  const upsert =
    'mutation ($users: [UpsertUserInput!]!) { upsertUsers(input: { users: $users }) { createdCount } }';
  await run(upsert, { users }, service);
  await run('mutation { recordPageView(input: { name: "Home" }) { eventId } }');
  const send =
    'mutation { sendNotification(input: { userId: "alice", content: { title: "Hi" } }) { notificationId } }';
  await run(send, {}, service);
  const limit = `mutation { createUserLimit(input: { userId: "alice", userLimitId: "limit-1", brandId: "b",
    type: DEPOSIT, period: DAY, value: "100.00" }) { userErrors { message } } }`;
  await run(limit, {}, service);
  await vi.waitFor(async () => {
    const { json } = await run('{ viewer { badge { unseen } stats { pageViewCount } } }');
    expect(json.data).toEqual({ viewer: { badge: { unseen: 1 }, stats: { pageViewCount: 1 } } });
    expect(await app.runtime.backends.outbox.depth()).toBe(0);
    expect(await lag(app)).toBe(0n);
  }, 10_000);
  const before = await tables(app.connectionString);

  return {
    app,
    alice,
    service,
    request,
    run,
    async expectUnharmed() {
      expect(await tables(app.connectionString)).toEqual(before);
      const reply = await request(goodBody);
      expect(reply).toMatchObject({ status: 200, json: { data: { viewer: { userId: 'alice' } } } });
    },
  };
}

/** Returns the number of records that the worker has not applied yet. Null if unknown. */
async function lag({ runtime }: TestApp): Promise<bigint | null> {
  return (await runtime.backends.log.health()).lag;
}

/** Returns a case for `it.each` for each value: the text of the value for the test name, and the value. */
export function shown<Value>(values: readonly Value[]): [shown: string, value: Value][] {
  return values.map((value) => [JSON.stringify(value).slice(0, 50), value]);
}

/** Returns the results of `count` calls of `write`, separated by spaces. */
export function many(count: number, write: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => write(index)).join(' ');
}

import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { signToken } from './adapters/jwt/sign-token.ts';
import { encode } from './events/codec.ts';
import { keyOf, topicOf } from './events/event.ts';
import { topics } from './events/topic.ts';
import { createTestDatabase, type TestDatabase } from './testing/database.ts';
import { notificationSent } from './testing/event.ts';
import { withClient } from './testing/postgres-server.ts';
import { type Program, patience, secret, startProgram } from './testing/program.ts';

let database: TestDatabase;
let program: Program | undefined;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  if (program?.isRunning()) await program.end('SIGKILL');
  program = undefined;
  await database.drop();
});

async function start(entry?: readonly string[]): Promise<Program> {
  const env = { DATABASE_URL: database.connectionString, UNKNOWN_USER_WAIT_SEC: '1' };
  program = await startProgram(env, entry && { entry });
  return program;
}

/**
 * Starts the program, which kills itself after it sends to the log and before it removes the record from the
 * outbox.
 */
const startDoomed = () => start(['.build/testing/doomed.js', 'after-send', '1']);

const query = <Row extends object>(sql: string, values: unknown[] = []) =>
  withClient(database.connectionString, async (client) => (await client.query<Row>(sql, values)).rows);
const count = async (sql: string) =>
  Number((await query<{ count: string }>(`SELECT count(*) FROM ${sql}`))[0]?.count);
const drained = () => vi.waitFor(async () => expect(await count('outbox')).toBe(0), patience);

async function append(topic: string, key: string, value: string): Promise<void> {
  await query(
    `WITH head AS (UPDATE log_head SET head = head + 1 RETURNING head)
     INSERT INTO event_log ("offset", topic, key, value, appended_at) SELECT head, $1, $2, $3, now() FROM head`,
    [topic, key, value],
  );
  await query(`SELECT pg_notify('unseen_log', '')`);
}

async function ask<Data>(operation: string, variables: object = {}): Promise<Data> {
  const token = await signToken(secret, {
    subject: 'root',
    role: 'admin',
    tenantId: 'default',
    expiresIn: '1h',
  });
  const response = await fetch(`${program?.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: operation, variables }),
  });
  return ((await response.json()) as { data: Data }).data;
}

it('if kill -9 stops the program between send and removal from the outbox, the copy of a dead letter is sent twice and the dead letter is stored once', async () => {
  const doomed = await startDoomed();
  await append(topics.userActivity, 'default/alice', '{ not json');
  expect(await doomed.exited).toBeNull();
  expect([await count('dead_letter'), await count('outbox')]).toEqual([1, 1]);
  await start();
  await drained();
  const copies = await query(
    `SELECT headers, key, raw FROM event_log WHERE topic = 'incoming.user_activity.dlq'`,
  );
  expect(copies).toHaveLength(2);
  expect(copies[0]).toEqual(copies[1]);
  expect(await count('dead_letter')).toBe(1);
});

it('if kill -9 stops the program between send and removal from the outbox, a retried dead letter is sent twice and applied once', async () => {
  const event = notificationSent({ userId: 'late' });
  const first = await start();
  await append(topicOf(event), keyOf(event), encode(event));
  await vi.waitFor(async () => expect(await count('dead_letter')).toBe(1), patience);
  await drained();
  await first.end('SIGTERM');

  const doomed = await startDoomed();
  const upsert =
    'mutation { upsertUsers(input: { users: [{ userId: "late", patch: {} }] }) { createdCount } }';
  expect(await ask(upsert)).toEqual({ upsertUsers: { createdCount: 1 } });
  const { deadLetters } = await ask<{ deadLetters: { nodes: readonly { id: string }[] } }>(
    '{ deadLetters { nodes { id } } }',
  );
  const retry = 'mutation ($ids: [ID!]!) { retryDeadLetters(ids: $ids) { retriedCount } }';
  const ids = deadLetters.nodes.map(({ id }) => id);
  // The program may die before it answers.
  await ask(retry, { ids }).catch(() => {});
  expect(await doomed.exited).toBeNull();
  expect([await count('dead_letter'), await count('outbox')]).toEqual([0, 1]);
  await start();
  await drained();
  const badge = '{ user(userId: "late") { badge { unseen version } notifications { totalCount } } }';
  await vi.waitFor(async () => {
    expect(await count('log_position, log_head WHERE position = head')).toBe(1);
    expect(await ask(badge)).toEqual({
      user: { badge: { unseen: 1, version: 1 }, notifications: { totalCount: 1 } },
    });
  }, patience);
  expect(await count(`event_log WHERE topic = '${topicOf(event)}'`)).toBe(3);
  expect(await count('dead_letter')).toBe(0);
});

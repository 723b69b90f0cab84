import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { signToken } from './adapters/jwt/sign-token.ts';
import { encode } from './events/codec.ts';
import { keyOf, topicOf } from './events/event.ts';
import { createTestDatabase, type TestDatabase } from './testing/database.ts';
import type { Point } from './testing/doomed.ts';
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

async function start(doom?: Point): Promise<Program> {
  // The wait for an unknown user is longer than the restarts take, even on a busy machine.
  const env = { DATABASE_URL: database.connectionString, UNKNOWN_USER_WAIT_SEC: '600' };
  program = await startProgram(env, doom && { entry: ['.build/testing/doomed.js', doom, '1'] });
  return program;
}

const query = <Row extends object>(sql: string, values: unknown[] = []) =>
  withClient(database.connectionString, async (client) => (await client.query<Row>(sql, values)).rows);
const count = async (what: string) =>
  Number((await query<{ count: string }>(`SELECT count(*) FROM ${what}`))[0]?.count);
const counts = async () => [
  await count('waiting_record'),
  await count(`notification WHERE user_id = 'late' AND status = 'DELIVERED'`),
  await count('dead_letter'),
];

/** Appends two notifications for a user who does not exist, as another system would append them. */
async function send(): Promise<void> {
  for (const event of [notificationSent({ userId: 'late' }), notificationSent({ userId: 'late' })])
    await query(
      `WITH head AS (UPDATE log_head SET head = head + 1 RETURNING head)
       INSERT INTO event_log ("offset", topic, key, value, appended_at) SELECT head, $1, $2, $3, now() FROM head`,
      [topicOf(event), keyOf(event), encode(event)],
    );
  await query(`SELECT pg_notify('unseen_log', '')`);
}

/** Creates the user by a request that the user sends. The server may die before it answers. */
async function appear(): Promise<void> {
  const token = await signToken(secret, {
    subject: 'late',
    role: 'user',
    tenantId: 'default',
    expiresIn: '1h',
  });
  await fetch(`${program?.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: '{ viewer { userId } }' }),
  }).catch(() => {});
}

it.each<[Point, string, boolean]>([
  ['after-commit', 'after the records are stored and before the position moves', false],
  ['mid-waiting', 'while the records are applied', true],
  ['after-waiting', 'after the records are applied', true],
])(
  'records that wait for their user survive kill -9 (%s) %s, and are applied once',
  {
    timeout: 120_000,
  },
  async (point, _, appears) => {
    const doomed = await start(point);
    await send();
    if (appears) {
      await vi.waitFor(async () => expect(await counts()).toEqual([2, 0, 0]), patience);
      await appear();
    }
    expect(await doomed.exited).toBeNull();
    await start();
    if (!appears) {
      await vi.waitFor(async () => expect(await counts()).toEqual([2, 0, 0]), patience);
      await appear();
    }
    await vi.waitFor(async () => expect(await counts()).toEqual([0, 2, 0]), patience);
    // Applying the whole log again changes nothing.
    await program?.end('SIGTERM');
    await query('UPDATE log_position SET position = 0');
    await start();
    await vi.waitFor(
      async () => expect(await count('log_position, log_head WHERE position < head')).toBe(0),
      patience,
    );
    expect(await counts()).toEqual([0, 2, 0]);
    expect(await query('SELECT unseen FROM inbox')).toEqual([{ unseen: 2 }]);
  },
);

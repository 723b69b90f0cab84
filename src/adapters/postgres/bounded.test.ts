import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Inbox } from '../../domain/inbox.ts';
import { testNow } from '../../testing/event.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { type Queryable, queryable } from './sql.ts';
import { createInboxReads } from './tables/inbox.ts';
import { createMarkingWrites } from './tables/marking.ts';
import { createNotificationReads, createNotificationWrites } from './tables/notification.ts';

const many = 20_000;
const alice = { tenantId: 'default', userId: 'alice' };

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
  await storage.store.transaction(async (transaction) => {
    await transaction.ensureUsers([alice, { ...alice, userId: 'bob' }], testNow);
    await transaction.lockInboxes([alice, { ...alice, userId: 'bob' }], testNow);
  });
});
afterAll(() => storage.close());

const queriesOn = (db: Queryable) => ({
  ...createNotificationReads(db),
  ...createNotificationWrites(db),
  ...createInboxReads(db),
  ...createMarkingWrites(db),
});
type Queries = ReturnType<typeof queriesOn>;

/**
 * Runs `work`. Returns its result and the maximum number of rows of `notification` that a statement has read.
 */
async function reading<T>(work: (queries: Queries) => Promise<T>): Promise<{ answer: T; rows: number }> {
  const client = await storage.database.pool.connect();
  let rows = 0;
  try {
    await client.query('BEGIN');
    const db = queryable(client);
    const measured: Queryable = {
      ...db,
      async query<Row>(strings: TemplateStringsArray, ...values: readonly unknown[]) {
        const before = await rowsRead(client);
        const found = await db.query<Row>(strings, ...values);
        rows = Math.max(rows, (await rowsRead(client)) - before);
        return found;
      },
    };
    const answer = await work(queriesOn(measured));
    return { answer, rows };
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

/**
 * Returns the number of rows that the session has read since its statistics were last reported. PostgreSQL
 * does not report them at the end of each transaction.
 */
async function rowsRead(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ rows: bigint }>(
    `SELECT seq_tup_read + idx_tup_fetch AS rows FROM pg_stat_xact_user_tables WHERE relname = 'notification'`,
  );
  return Number(rows[0]?.rows);
}

let seq = 0;

/** Writes `count` delivered notifications of alice. `columns` sets additional columns. */
async function fill(columns: Readonly<Record<string, string>>, count = many): Promise<void> {
  const names = Object.keys(columns);
  await storage.query(
    `INSERT INTO notification (tenant_id, user_id, id, seq, status, category, severity, title, created_at, delivered_at
       ${names.map((name) => `, ${name}`).join('')})
     SELECT 'default', 'alice', gen_random_uuid(), $1::bigint + n, 'DELIVERED', 'general', 'NORMAL', 'Full', now(), now()
       ${Object.values(columns)
         .map((value) => `, ${value}`)
         .join('')}
     FROM generate_series(1, $2::int) AS n`,
    [seq, count],
  );
  seq += count;
  await storage.query('ANALYZE notification');
}

const groups = [{ ...alice, groupKey: 'likes' }];
const visits = [{ ...alice, subjectId: 'disk' }];

describe('reading the notifications that a batch may change', () => {
  it.each([
    ['unseen', {}],
    ['seen', { seen_at: 'now()' }],
    ['read', { seen_at: 'now()', read_at: 'now()' }],
    ['archived', { seen_at: 'now()', archived_at: 'now()' }],
    ['snoozed', { snoozed_until: `now() + interval '1 day'` }],
  ])('does not read every %s notification of a group', async (_, columns) => {
    await fill({ group_key: `'likes'`, ...columns });
    const before = await reading(({ reachOf }) => reachOf({ groups, visits: [] }));
    expect(before.rows).toBeLessThan(100);
    await fill({ group_key: `'likes'` }, 1);
    const { answer, rows } = await reading(({ reachOf }) => reachOf({ groups, visits: [] }));
    expect(answer).toMatchObject([{ seq: BigInt(seq) }]);
    expect(rows).toBeLessThan(100);
  });

  it('finds nothing in a group whose notifications an opening has covered, without reading the group', async () => {
    await storage.query('UPDATE inbox SET opened_seq = $1, last_seq = $1', [seq]);
    const { answer, rows } = await reading(({ reachOf }) => reachOf({ groups, visits: [] }));
    expect(answer).toEqual([]);
    expect(rows).toBeLessThan(100);
  });

  it('finds the newest notification of a group that the caller does not already have', async () => {
    await fill({ group_key: `'likes'` }, 2);
    const atHand = await reading(({ reachOf }) => reachOf({ groups, visits: [] }));
    const beside = await reading(({ reachOf }) => reachOf({ groups, visits: [], atHand: atHand.answer }));
    expect([...atHand.answer, ...beside.answer].map((row) => row.seq)).toEqual([
      BigInt(seq),
      BigInt(seq - 1),
    ]);
  });

  it.each([
    ['archived', { seen_at: 'now()', archived_at: 'now()' }],
    ['snoozed', { snoozed_until: `now() + interval '1 day'` }],
  ])('does not read every %s notification about a subject', async (_, columns) => {
    await fill({ subject_id: `'disk'` }, 1);
    await fill({ subject_id: `'disk'`, ...columns });
    const found = await reading(({ usersWithUnreadAbout }) => usersWithUnreadAbout(visits));
    expect(found.answer).toEqual([alice]);
    expect(found.rows).toBeLessThan(100);
    const { rows } = await reading(({ reachOf }) => reachOf({ groups: [], visits }));
    expect(rows).toBeLessThan(100);
  });

  it('returns at most a thousand notifications of a user, even if many subjects are visited and more notifications match', async () => {
    await fill({ subject_id: `'s' || n % 40` });
    const visited = Array.from({ length: 40 }, (_, n) => ({ ...alice, subjectId: `s${n}` }));
    const { answer, rows } = await reading(({ reachOf }) => reachOf({ groups: [], visits: visited }));
    expect(answer).toHaveLength(1_000);
    expect(answer.every((row) => row.seq && row.seq > BigInt(seq - 1_000))).toBe(true);
    expect(rows).toBeLessThan(2_100);
  });
});

describe('reading due notifications', () => {
  it('does not read all due notifications of a user that another worker has locked', async () => {
    await fill({ due_at: `now() - interval '1 day'`, expires_at: `now() - interval '1 day'` });
    const { answer, rows } = await reading(({ notificationsDue }) =>
      notificationsDue([{ ...alice, userId: 'bob' }], new Date(), 500),
    );
    expect(answer).toEqual([]);
    expect(rows).toBeLessThan(1_100);
  });
});

describe('many notifications of one user', () => {
  const inbox = async () => {
    const [inbox] = await storage.store.inboxes([alice]);
    return { ...(inbox as Inbox), lastSeq: BigInt(seq) };
  };

  it('are marked by a filter in steps of 5000', async () => {
    await fill({});
    const afterSeq = BigInt(seq - many);
    const { answer, rows } = await reading(async ({ endOfStep, markNotifications }) => {
      const upToSeq = (await endOfStep(alice, afterSeq)) as bigint;
      expect(await endOfStep(alice, BigInt(seq - 4_000))).toBeUndefined();
      const marking = { action: 'READ', which: { filter: { read: false } }, afterSeq, upToSeq } as const;
      return markNotifications(await inbox(), marking, testNow);
    });
    expect(answer.delta).toEqual({ unseen: -5_000, unread: -5_000 });
    expect(answer.ids).toHaveLength(5_000);
    expect(rows).toBeLessThan(5_100);
  });

  it('are marked by ids without a read of the other notifications, in a table with many small inboxes', async () => {
    await storage.query(
      `INSERT INTO notification (tenant_id, user_id, id, seq, status, category, severity, title, created_at, delivered_at)
       SELECT 'default', 'user-' || n / 10, gen_random_uuid(), n % 10, 'DELIVERED', 'general', 'NORMAL', 'Full', now(), now()
       FROM generate_series(1, 100000) AS n`,
    );
    await storage.query('ANALYZE notification');
    const [row] = await storage.query<{ id: string }>(
      `SELECT id FROM notification WHERE user_id = 'alice' ORDER BY seq DESC LIMIT 1`,
    );
    const ids = [row?.id ?? ''];
    const { answer, rows } = await reading(async ({ arrivedIds, markNotifications }) => {
      expect(await arrivedIds(alice, ids)).toEqual(ids);
      const marking = { action: 'READ', which: { ids }, afterSeq: 0n, upToSeq: BigInt(seq) } as const;
      return markNotifications(await inbox(), marking, testNow);
    });
    expect(answer).toEqual({ ids, delta: { unseen: -1, unread: -1 } });
    expect(rows).toBeLessThan(100);
  });

  it.each<[string, (queries: Queries) => Promise<unknown>]>([
    ['after a seq', ({ countUnseen }: Queries) => countUnseen(alice, 0n)],
    ['for a badge', ({ recount }: Queries) => recount([alice, { ...alice, userId: 'bob' }])],
    ['for a sample', ({ recountSample }: Queries) => recountSample(100)],
  ])('are counted by statements that each read only a part of them: %s', async (_, count) => {
    const { rows } = await reading(count);
    expect(rows).toBeGreaterThan(0);
    expect(rows).toBeLessThan(5_100);
  });
});

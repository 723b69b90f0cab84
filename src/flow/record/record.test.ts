import fc from 'fast-check';
import { v7 as uuidV7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { createPostgresEventLog } from '../../adapters/postgres/log/event-log.ts';
import type { Caller } from '../../domain/caller.ts';
import { AppError } from '../../domain/error.ts';
import { maxClockAheadMs } from '../../domain/page-view.ts';
import { decode } from '../../events/codec.ts';
import type { Event } from '../../events/event.ts';
import type { EventLog, LogRecord } from '../../ports/event-log.ts';
import { silent } from '../../ports/logger.ts';
import { createTestClock, rawRecord, testNow } from '../../testing/event.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createProject } from '../apply/project.ts';
import type { PageViewInput } from './page-views.ts';
import { createQuotas } from './quota.ts';
import { createRecord } from './record.ts';

const retentionDays = 183;
const retentionMs = retentionDays * 86_400_000;

let storage: TestStorage;
let log: EventLog;
const clock = createTestClock();
beforeAll(async () => {
  storage = await openTestStorage();
  log = createPostgresEventLog({
    database: storage.database,
    connection: storage.connection,
    logger: silent,
  });
});
afterAll(async () => {
  await log.close();
  await storage.close();
});

const withQuota = (perUser: number) =>
  createRecord(
    { log, store: storage.store, clock },
    { retentionDays, quotas: createQuotas({ clock }, { perUser, perTenant: 0 }) },
  );

const recordTo = (to: EventLog = log) =>
  createRecord({ log: to, store: storage.store, clock }, { retentionDays });

const expiresAt = new Date(testNow.getTime() + 3_600_000);
const service: Caller = { tenantId: 'default', subject: 'shop', role: 'service', expiresAt };

let users = 0;
const nextUserId = () => `user-${++users}`;
async function createUser(fields: { canReceiveNotifications?: boolean } = {}): Promise<string> {
  const userId = nextUserId();
  const patches = [{ tenantId: 'default', userId, patch: fields }];
  await storage.store.transaction((transaction) => transaction.patchUsers(patches, testNow));
  return userId;
}

const viewOf = (fields: Partial<PageViewInput> = {}): PageViewInput => ({
  userId: 'alice',
  name: 'Pricing',
  at: ['input'],
  ...fields,
});
const recordView = (input: PageViewInput, { caller = service, mutation = 'recordPageView', to = log } = {}) =>
  recordTo(to).pageViews(caller, mutation, [input]);

/** Returns the events of a user in the log, oldest first. */
async function logged(userId: string): Promise<readonly Event[]> {
  const rows = await storage.query<{ topic: string; value: string }>(
    'SELECT topic, value FROM event_log WHERE key = $1 ORDER BY "offset"',
    [`default/${userId}`],
  );
  return rows.map(({ topic, value }) => {
    const decoded = decode({ ...rawRecord(value, 1), topic });
    if (decoded.kind !== 'event') throw new Error(`the log contains a record that is ${decoded.kind}`);
    return decoded.event;
  });
}

/** Applies all records of a user in the log. */
async function applyAll(userId: string): Promise<void> {
  const rows = await storage.query<{ offset: string; topic: string; key: string; value: string }>(
    'SELECT * FROM event_log WHERE key = $1 ORDER BY "offset"',
    [`default/${userId}`],
  );
  const records = rows.map(
    (row): LogRecord => ({
      ...row,
      partition: 0,
      offset: BigInt(row.offset),
      value: Buffer.from(row.value),
      headers: {},
      appendedAt: testNow,
    }),
  );
  const { store } = storage;
  await createProject({ store, pubSub: createLocalPubSub(), clock, logger: silent }, { retentionDays }).apply(
    records,
  );
}

/** A log whose next append fails before or after it stores the events. */
function failingOnce(when: 'before' | 'after'): EventLog {
  let failed = false;
  return {
    ...log,
    async append(events) {
      if (failed) return log.append(events);
      failed = true;
      if (when === 'after') await log.append(events);
      throw new AppError('UNAVAILABLE', 'The test made the log fail.');
    },
  };
}

describe('a recorded page view', () => {
  it('is durable in the log, unchanged and with the returned id, when the call resolves', async () => {
    const userId = nextUserId();
    const occurredAt = new Date(testNow.getTime() - 5_000);
    const { eventIds, problems } = await recordView(
      viewOf({ userId, occurredAt, path: '/pricing', subjectId: 'p1' }),
    );
    expect(problems).toEqual([]);
    expect(await logged(userId)).toEqual([
      {
        id: eventIds[0],
        source: 'api',
        type: 'pageViewed',
        tenantId: 'default',
        userId,
        occurredAt,
        data: { name: 'Pricing', path: '/pricing', subjectId: 'p1' },
        schemaVersion: 1,
      },
    ]);
  });

  it('has the current time if the caller gives no time', async () => {
    const userId = nextUserId();
    await recordView(viewOf({ userId }));
    expect(await logged(userId)).toMatchObject([{ occurredAt: testNow }]);
  });

  it('gets a new id if the call has no key', async () => {
    const userId = nextUserId();
    await Promise.all([recordView(viewOf({ userId })), recordView(viewOf({ userId }))]);
    expect(new Set((await logged(userId)).map(({ id }) => id)).size).toBe(2);
  });

  it('is refused if it is older than the retention or more than five minutes in the future', async () => {
    const around = (edge: number) => fc.integer({ min: -3, max: 3 }).map((ms) => edge + ms);
    const offset = fc.oneof(
      around(-retentionMs),
      around(maxClockAheadMs),
      fc.integer({ min: -2 * retentionMs, max: 86_400_000 }),
    );
    await fc.assert(
      fc.asyncProperty(offset, async (ms) => {
        const userId = nextUserId();
        const { eventIds, problems } = await recordView(
          viewOf({ userId, occurredAt: new Date(testNow.getTime() + ms) }),
        );
        const code = ms < -retentionMs ? 'TOO_OLD' : ms > maxClockAheadMs ? 'IN_FUTURE' : undefined;
        expect(problems.map((problem) => problem.code)).toEqual(code ? [code] : []);
        if (code) expect(problems[0]?.path).toEqual(['input', 'occurredAt']);
        expect(eventIds).toHaveLength(code ? 0 : 1);
        expect(await logged(userId)).toHaveLength(code ? 0 : 1);
      }),
      { numRuns: 60 },
    );
  });

  it('is recorded even if other views of the call are refused, and each problem has the path of its view', async () => {
    const userId = nextUserId();
    const at = (index: number) => ['input', 'views', String(index)];
    const { eventIds, problems } = await recordTo().pageViews(service, 'recordPageViews', [
      viewOf({ userId, name: 'first', at: at(0) }),
      viewOf({ userId, name: '', at: at(1) }),
      viewOf({ userId: '', at: at(2) }),
      viewOf({ userId, occurredAt: new Date(0), at: at(3) }),
      viewOf({ userId, name: 'a\0b', at: at(4) }),
      viewOf({ userId, name: 'last', at: at(5) }),
    ]);
    expect(problems.map(({ code, path }) => [code, path.join('.')])).toEqual([
      ['INVALID_INPUT', 'input.views.1.name'],
      ['INVALID_INPUT', 'input.views.2.userId'],
      ['TOO_OLD', 'input.views.3.occurredAt'],
      ['INVALID_INPUT', 'input.views.4.name'],
    ]);
    const events = await logged(userId);
    expect(events.map(({ id }) => id)).toEqual(eventIds);
    expect(events.map(({ data }) => data)).toEqual([{ name: 'first' }, { name: 'last' }]);
  });
});

describe('an activity of another type', () => {
  it('is recorded as an event with its user, time and type', async () => {
    const userId = nextUserId();
    const { eventIds } = await recordView(viewOf({ userId, activityType: 'click', subjectId: 's' }));
    expect(await logged(userId)).toEqual([
      expect.objectContaining({ id: eventIds[0], type: 'activityRecorded', data: { activityType: 'click' } }),
    ]);
  });

  it('is refused if its type is invalid', async () => {
    for (const activityType of ['', 'x'.repeat(10_000), 'a\nb', '\0', '\ud800']) {
      const { eventIds, problems } = await recordView(viewOf({ activityType }));
      expect(eventIds).toEqual([]);
      expect(problems[0]).toMatchObject({ code: 'INVALID_INPUT', path: ['input', 'activityType'] });
    }
  });

  it('conflicts with a page view that has the same key', async () => {
    const input = viewOf({ userId: nextUserId(), idempotencyKey: 'shared' });
    expect(await recordView(input)).toMatchObject({ problems: [] });
    expect(await recordView({ ...input, activityType: 'page_view' })).toMatchObject({ problems: [] });
    const { problems } = await recordView({ ...input, activityType: 'click' });
    expect(problems).toMatchObject([{ code: 'IDEMPOTENCY_CONFLICT' }]);
  });
});

describe('an idempotency key', () => {
  it('gives repeated and concurrent calls with the same input the same event id, and the view counts once', async () => {
    const userId = nextUserId();
    const input = viewOf({ userId, idempotencyKey: uuidV7() });
    const racing = await Promise.all(Array.from({ length: 20 }, () => recordView(input)));
    const later = await recordView(input);
    for (const { eventIds, problems } of racing) {
      expect(problems).toEqual([]);
      expect(eventIds).toEqual(later.eventIds);
    }
    await applyAll(userId);
    expect(await storage.store.countPageViews({ tenantId: 'default', userId }, {})).toBe(1);
  });

  it('is refused with different input, and no view of this input is recorded', async () => {
    const userId = nextUserId();
    const idempotencyKey = uuidV7();
    const input = viewOf({ userId, idempotencyKey, path: '/a' });
    await recordView(input);
    const others: PageViewInput[] = [
      { ...input, name: 'Docs' },
      { ...input, path: '/b' },
      { ...input, path: undefined },
      { ...input, subjectId: '/a', path: undefined },
      { ...input, userId: nextUserId() },
      { ...input, occurredAt: testNow },
    ];
    for (const other of others) {
      expect(await recordView(other)).toEqual({
        eventIds: [],
        problems: [
          expect.objectContaining({ code: 'IDEMPOTENCY_CONFLICT', path: ['input', 'idempotencyKey'] }),
        ],
      });
    }
    expect(await logged(userId)).toHaveLength(1);
    expect(await recordView(input)).toMatchObject({ problems: [] });
  });

  it('accepts only one of several concurrent inputs, in every call with this input', async () => {
    for (let round = 0; round < 5; round += 1) {
      const userId = nextUserId();
      const idempotencyKey = uuidV7();
      const inputs = Array.from({ length: 12 }, (_, n) =>
        viewOf({ userId, name: `page ${n % 3}`, idempotencyKey }),
      );
      const results = await Promise.all(inputs.map((input) => recordView(input)));
      const won = results.flatMap(({ eventIds }, n) => (eventIds.length === 1 ? [inputs[n]?.name] : []));
      expect(won).toHaveLength(4);
      expect(new Set(won).size).toBe(1);
      expect(new Set((await logged(userId)).map(({ id, data }) => JSON.stringify([id, data]))).size).toBe(1);
    }
  });

  it('is scoped to a tenant, a caller and a mutation', async () => {
    const input = viewOf({ userId: nextUserId(), idempotencyKey: uuidV7() });
    const ids = await Promise.all([
      recordView(input),
      recordView({ ...input, name: 'Docs' }, { caller: { ...service, tenantId: 'other' } }),
      recordView({ ...input, name: 'Docs' }, { caller: { ...service, subject: 'crm' } }),
      recordView({ ...input, name: 'Docs' }, { caller: { ...service, role: 'admin' } }),
      recordView({ ...input, name: 'Docs' }, { mutation: 'recordPageViews' }),
    ]);
    expect(ids.flatMap(({ problems }) => problems)).toEqual([]);
    expect(new Set(ids.flatMap(({ eventIds }) => eventIds)).size).toBe(5);
  });

  it.each(['before', 'after'] as const)(
    'makes a retry safe if the log fails %s storing the event',
    async (when) => {
      const userId = nextUserId();
      const input = viewOf({ userId, idempotencyKey: uuidV7() });
      const to = failingOnce(when);
      await expect(recordView(input, { to })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      const { eventIds } = await recordView(input, { to });
      expect(new Set((await logged(userId)).map(({ id }) => id))).toEqual(new Set(eventIds));
      await applyAll(userId);
      expect(await storage.store.countPageViews({ tenantId: 'default', userId }, {})).toBe(1);
    },
  );

  it('returns the first answer even if the view is too old now', async () => {
    const oldest = viewOf({
      userId: nextUserId(),
      idempotencyKey: uuidV7(),
      occurredAt: new Date(testNow.getTime() - retentionMs),
    });
    const first = await recordView(oldest);
    expect(first.problems).toEqual([]);
    clock.set(new Date(testNow.getTime() + 60_000));
    try {
      expect(await recordView(oldest)).toEqual(first);
      expect((await recordView({ ...oldest, name: 'Docs' })).problems).toMatchObject([{ code: 'TOO_OLD' }]);
      expect((await recordView({ ...oldest, idempotencyKey: uuidV7() })).problems).toMatchObject([
        { code: 'TOO_OLD' },
      ]);
    } finally {
      clock.set(testNow);
    }
  });

  it('can be reused if its first input was rejected', async () => {
    const input = viewOf({ userId: nextUserId(), idempotencyKey: uuidV7() });
    expect((await recordView({ ...input, occurredAt: new Date(0) })).problems).toHaveLength(1);
    expect((await recordView({ ...input, name: '' })).problems).toHaveLength(1);
    expect((await recordView(input)).problems).toEqual([]);
  });

  it('belongs to one view of a bulk call, and of two views with the same key the first is recorded', async () => {
    const userId = nextUserId();
    const [a, b] = [uuidV7(), uuidV7()];
    const at = (index: number) => ['input', 'views', String(index)];
    const views = [
      viewOf({ userId, name: 'one', idempotencyKey: a, at: at(0) }),
      viewOf({ userId, name: 'two', idempotencyKey: a, at: at(1) }),
      viewOf({ userId, name: 'three', idempotencyKey: b, at: at(2) }),
      viewOf({ userId, name: 'one', idempotencyKey: a, at: at(3) }),
      viewOf({ userId, name: 'four', at: at(4) }),
    ];
    const { eventIds, problems } = await recordTo().pageViews(service, 'recordPageViews', views);
    expect(problems).toMatchObject([{ code: 'IDEMPOTENCY_CONFLICT', path: [...at(1), 'idempotencyKey'] }]);
    expect(eventIds).toHaveLength(4);
    expect(eventIds[2]).toBe(eventIds[0]);
    await applyAll(userId);
    const stored = await storage.store.pageViews({ tenantId: 'default', userId }, { first: 10 });
    expect(stored.map(({ name }) => name).toSorted()).toEqual(['four', 'one', 'three']);
  });
});

describe('a recorded notification', () => {
  const send = (userId: string, content: object, idempotencyKey?: string, to: EventLog = log) =>
    recordTo(to).notification(service, 'sendNotification', { userId, content, idempotencyKey });

  it('is durable in the log with all defaults, and its id is the id of the event', async () => {
    const userId = await createUser();
    const { eventIds } = await send(userId, { title: 'Hello' });
    expect(await logged(userId)).toMatchObject([
      {
        id: eventIds[0],
        type: 'notificationSent',
        occurredAt: testNow,
        data: { title: 'Hello', category: 'general', severity: 'NORMAL' },
      },
    ]);
  });

  it('is refused if the user does not exist or does not receive notifications, or if the content is invalid', async () => {
    const problemOf = async (userId: string, content: object) => {
      const { eventIds, problems } = await send(userId, content, uuidV7());
      expect(eventIds).toEqual([]);
      return problems.map(({ code, path }) => [code, path.join('.')]);
    };
    const optedOut = await createUser({ canReceiveNotifications: false });
    expect(await problemOf(nextUserId(), { title: 'Hello' })).toEqual([['USER_NOT_FOUND', 'input.userId']]);
    expect(await problemOf(optedOut, { title: 'Hello' })).toEqual([['OPTED_OUT', 'input.userId']]);
    expect(await problemOf(await createUser(), { title: '' })).toEqual([
      ['INVALID_INPUT', 'input.content.title'],
    ]);
    for (const userId of ['', 'a\0b', 'x'.repeat(129), '\ud800']) {
      const problems = await problemOf(userId, { title: 'Hello' });
      expect(new Set(problems.map(String))).toEqual(new Set(['INVALID_INPUT,input.userId']));
    }
    expect(await logged(optedOut)).toEqual([]);
  });

  it('returns the first answer to a repeated call and counts once, even if the user has opted out in between', async () => {
    const userId = await createUser();
    const key = uuidV7();
    const first = await send(userId, { title: 'Hello', data: { a: 1 } }, key);
    await applyAll(userId);
    const patches = [{ tenantId: 'default', userId, patch: { canReceiveNotifications: false } }];
    await storage.store.transaction((transaction) => transaction.patchUsers(patches, testNow));
    expect(await send(userId, { title: 'Hello', data: { a: 1 } }, key)).toEqual(first);
    await applyAll(userId);
    expect(await storage.store.inboxes([{ tenantId: 'default', userId }])).toMatchObject([
      { unseen: 1, version: 1 },
    ]);
  });

  it('is refused as a conflict if its key was used with different content', async () => {
    const userId = await createUser();
    const key = uuidV7();
    await send(userId, { title: 'Hello' }, key);
    for (const content of [
      { title: 'Bye' },
      { title: 'Hello', data: {} },
      { title: 'Hello', severity: 'HIGH' },
    ]) {
      expect((await send(userId, content, key)).problems).toMatchObject([{ code: 'IDEMPOTENCY_CONFLICT' }]);
    }
    expect((await send(await createUser(), { title: 'Hello' }, key)).problems).toMatchObject([
      { code: 'IDEMPOTENCY_CONFLICT' },
    ]);
    expect(await logged(userId)).toHaveLength(1);
  });

  it('is sent once if concurrent calls use the same key', async () => {
    const userId = await createUser();
    const key = uuidV7();
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, n) => send(userId, { title: `number ${n % 2}` }, key)),
    );
    expect(results.filter(({ eventIds }) => eventIds.length === 1)).toHaveLength(5);
    await applyAll(userId);
    expect(await storage.store.inboxes([{ tenantId: 'default', userId }])).toMatchObject([{ unseen: 1 }]);
  });

  it.each(['before', 'after'] as const)(
    'can be retried if the log fails %s storing the event',
    async (when) => {
      const userId = await createUser();
      const key = uuidV7();
      const to = failingOnce(when);
      await expect(send(userId, { title: 'Hello' }, key, to)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      expect((await send(userId, { title: 'Hello' }, key, to)).problems).toEqual([]);
      await applyAll(userId);
      expect(await storage.store.inboxes([{ tenantId: 'default', userId }])).toMatchObject([{ unseen: 1 }]);
    },
  );
});

describe('a notification recorded for several users', () => {
  const send = (userIds: readonly string[], content: object, idempotencyKey?: string, to: EventLog = log) =>
    recordTo(to).notifications(service, 'sendNotifications', { userIds, content, idempotencyKey });
  const unseen = async (userIds: readonly string[]) => {
    const inboxes = await storage.store.inboxes(userIds.map((userId) => ({ tenantId: 'default', userId })));
    const byId = new Map(inboxes.map((inbox) => [inbox.userId, inbox.unseen]));
    return userIds.map((userId) => byId.get(userId));
  };
  const allow = (userId: string, canReceiveNotifications: boolean) =>
    storage.store.transaction((transaction) =>
      transaction.patchUsers([{ tenantId: 'default', userId, patch: { canReceiveNotifications } }], testNow),
    );

  it('is appended for each user who can receive it, and the call returns a problem with a path for each other user', async () => {
    const [first, last] = [await createUser(), await createUser()];
    const optedOut = await createUser({ canReceiveNotifications: false });
    const append = vi.fn(log.append);
    const userIds = [first, nextUserId(), 'x'.repeat(129), optedOut, first, last];
    const { eventIds, problems } = await send(userIds, { title: 'Hello' }, undefined, { ...log, append });
    expect(problems.map(({ code, message, path }) => [code, message, path.join('.')])).toEqual([
      ['USER_NOT_FOUND', 'No such user.', 'input.userIds.1'],
      ['INVALID_INPUT', expect.stringMatching(/^userId .*128/), 'input.userIds.2'],
      ['OPTED_OUT', 'The user receives no notifications.', 'input.userIds.3'],
      ['INVALID_INPUT', 'Duplicate userId in this request.', 'input.userIds.4'],
    ]);
    expect(append).toHaveBeenCalledTimes(1);
    expect(await logged(first)).toMatchObject([{ id: eventIds[0], userId: first, data: { title: 'Hello' } }]);
    expect(await logged(last)).toMatchObject([{ id: eventIds[1], userId: last }]);
    expect(eventIds).toHaveLength(2);
  });

  it('is refused as a whole if its content or time is invalid, without reading any user', async () => {
    const userIds = [await createUser(), await createUser()];
    const late = new Date(testNow.getTime() + 367 * 86_400_000);
    for (const [content, path] of [
      [{ title: '' }, 'input.content.title'],
      [{ title: 'x', scheduledFor: late }, 'input.scheduledFor'],
      [{ title: 'x', expiresAt: testNow }, 'input.content.expiresAt'],
    ] as const) {
      const { eventIds, problems } = await send(userIds, content, uuidV7());
      expect([eventIds, problems.map((problem) => problem.path.join('.'))]).toEqual([[], [path]]);
    }
    expect(await logged(userIds[0] as string)).toEqual([]);
  });

  it('needs the same number of statements for 500 users as for one', async () => {
    const one = [await createUser()];
    const many = Array.from({ length: 500 }, nextUserId);
    const patches = many.map((userId) => ({ tenantId: 'default', userId, patch: {} }));
    await storage.store.transaction((transaction) => transaction.patchUsers(patches, testNow));
    const statements = vi.spyOn(storage.database.pool, 'query');
    const counts: number[] = [];
    for (const userIds of [one, many]) {
      statements.mockClear();
      expect((await send(userIds, { title: 'Hello' }, uuidV7())).eventIds).toHaveLength(userIds.length);
      counts.push(statements.mock.calls.length);
    }
    statements.mockRestore();
    expect(counts[0]).toBeGreaterThan(0);
    expect(counts[1]).toBe(counts[0]);
    await applyAll(many[499] as string);
    expect(await unseen(many.slice(498))).toEqual([0, 1]);
  });

  it('returns the whole first answer to a repeated call and counts once, even if the users have changed in between', async () => {
    const willOptOut = await createUser();
    const willOptIn = await createUser({ canReceiveNotifications: false });
    const willExist = nextUserId();
    const userIds = [willOptOut, willOptIn, willExist, await createUser()];
    const key = uuidV7();
    const first = await send(userIds, { title: 'Hello' }, key);
    expect([first.eventIds.length, first.problems.map(({ code }) => code)]).toEqual([
      2,
      ['OPTED_OUT', 'USER_NOT_FOUND'],
    ]);
    await applyAll(willOptOut);
    await allow(willOptOut, false);
    await allow(willOptIn, true);
    await allow(willExist, true);
    expect(await send(userIds, { title: 'Hello' }, key)).toEqual(first);
    for (const userId of userIds) await applyAll(userId);
    expect(await unseen(userIds)).toEqual([1, 0, 0, 1]);
  });

  it('is refused as a conflict if its key was used with different input', async () => {
    const [one, two] = [await createUser(), await createUser()];
    const key = uuidV7();
    await send([one], { title: 'Hello' }, key);
    for (const [userIds, content] of [
      [[one], { title: 'Bye' }],
      [[one, two], { title: 'Hello' }],
      [[two], { title: 'Hello' }],
      [[one, nextUserId()], { title: 'Hello' }],
    ] as const) {
      expect(await send(userIds, content, key)).toMatchObject({
        eventIds: [],
        problems: [{ code: 'IDEMPOTENCY_CONFLICT', path: ['input', 'idempotencyKey'] }],
      });
    }
    expect([await logged(one), await logged(two)].map((events) => events.length)).toEqual([1, 0]);
  });

  it('leaves its key unused if no user can receive it', async () => {
    const userId = nextUserId();
    const key = uuidV7();
    expect((await send([userId], { title: 'Hello' }, key)).problems).toMatchObject([
      { code: 'USER_NOT_FOUND' },
    ]);
    await allow(userId, true);
    expect((await send([userId], { title: 'Bye' }, key)).problems).toEqual([]);
  });

  it('is sent once if concurrent calls use the same key, and all calls get the answer of the first call', async () => {
    const userIds = [await createUser(), nextUserId(), await createUser()];
    const key = uuidV7();
    const racing = Array.from({ length: 10 }, (_, n) => send(userIds, { title: `number ${n % 2}` }, key));
    // The second user is created during the calls, so only some of the calls find this user.
    racing.push(allow(userIds[1] as string, true).then(() => send(userIds, { title: 'number 0' }, key)));
    const results = await Promise.all(racing);
    const isConflict = ({ problems }: (typeof results)[number]) =>
      problems[0]?.code === 'IDEMPOTENCY_CONFLICT';
    const answered = results.filter((result) => !isConflict(result));
    expect(answered.length).toBeGreaterThanOrEqual(5);
    expect(new Set(answered.map((result) => JSON.stringify(result))).size).toBe(1);
    for (const userId of userIds) await applyAll(userId);
    expect(await unseen(userIds)).toEqual([1, answered[0]?.eventIds.length === 3 ? 1 : 0, 1]);
  });

  it.each(['before', 'after'] as const)(
    'can be retried if the log fails %s storing the events',
    async (when) => {
      const userIds = [await createUser(), await createUser()];
      const key = uuidV7();
      const to = failingOnce(when);
      await expect(send(userIds, { title: 'Hello' }, key, to)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      expect((await send(userIds, { title: 'Hello' }, key, to)).problems).toEqual([]);
      for (const userId of userIds) await applyAll(userId);
      expect(await unseen(userIds)).toEqual([1, 1]);
    },
  );
});

describe('a daily quota', () => {
  const exceeded = { code: 'QUOTA_EXCEEDED' };

  it('limits the sum of page views and viewed items of a user, and a repeated key returns the first answer', async () => {
    const { pageViews, itemViews } = withQuota(4);
    const userId = nextUserId();
    const views = [1, 2].map((n) => viewOf({ userId, idempotencyKey: `${userId}-${n}`, at: [String(n)] }));
    const first = await pageViews(service, 'recordPageViews', views);
    expect(first).toMatchObject({ eventIds: [expect.any(String), expect.any(String)], problems: [] });
    const items = { userId, collection: 'news' };
    expect(await itemViews(service, { ...items, itemIds: ['a', 'b', 'c'] })).toMatchObject({
      eventIds: [],
      problems: [exceeded],
    });
    expect(await itemViews(service, { ...items, itemIds: ['a', 'b'] })).toMatchObject({ problems: [] });
    const more = [...views, viewOf({ userId, at: ['3'] })];
    expect(await pageViews(service, 'recordPageViews', more)).toMatchObject({
      eventIds: first.eventIds,
      problems: [{ ...exceeded, path: ['3'] }],
    });
    expect(await pageViews(service, 'recordPageViews', [viewOf({ userId: nextUserId() })])).toMatchObject({
      problems: [],
    });
  });

  it('limits the notifications of a user, and other users still receive notifications', async () => {
    const { notification, notifications } = withQuota(1);
    const [full, other] = [await createUser(), await createUser()];
    const content = { category: 'general', title: 'Hello' };
    expect(await notification(service, 'sendNotification', { userId: full, content })).toMatchObject({
      problems: [],
    });
    const both = await notifications(service, 'sendNotifications', { userIds: [full, other], content });
    expect(both).toMatchObject({
      eventIds: [expect.any(String)],
      problems: [{ ...exceeded, path: ['input', 'userIds', '0'] }],
    });
  });
});

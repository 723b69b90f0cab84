import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import type { UserKey } from '../../domain/user.ts';
import type { NotificationSent } from '../../events/notification.ts';
import { silent } from '../../ports/logger.ts';
import type { Store } from '../../ports/store/store.ts';
import { createTestClock, notificationSent, recordsOf, testNow } from '../../testing/event.ts';
import { limitRecord, wireLimitEvent } from '../../testing/limit.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createProject } from '../apply/project.ts';
import { createSchedule } from './schedule.ts';

let storage: TestStorage;
beforeEach(async () => {
  storage = await openTestStorage();
});
afterEach(() => storage.close());

const user = (userId: string): UserKey => ({ tenantId: 'default', userId });
const [alice, bob] = [user('alice'), user('bob')];

/** Creates a schedule, functions that make rows due, and spies on the log messages and the transactions. */
async function startTime({ clock = createTestClock() } = {}) {
  const { store } = storage;
  await store.transaction((transaction) => transaction.ensureUsers([alice, bob], testNow));
  const shared = { store, pubSub: createLocalPubSub(), clock, logger: silent };
  const project = createProject(shared, { retentionDays: 183 });
  const error = vi.fn();
  const transaction = vi.fn(store.transaction);
  const schedule = createSchedule({
    ...shared,
    store: { ...store, transaction: transaction as Store['transaction'] },
    logger: { ...silent, error },
  });
  let offset = 0;
  return {
    schedule,
    error,
    transaction,
    inSeconds: (seconds: number) => new Date(clock.now().getTime() + seconds * 1_000),
    async send(to: UserKey, data: Partial<NotificationSent['data']>): Promise<void> {
      const content = { category: 'general', severity: 'NORMAL', title: 'Hello', ...data } as const;
      const sent = notificationSent({ ...to, occurredAt: clock.now(), data: content });
      await project.apply(recordsOf([sent], ++offset));
    },
    define: ({ userId }: UserKey, activeFrom: Date) =>
      project.apply([
        limitRecord(
          wireLimitEvent('USER_LIMIT_CREATED', 1, {
            userId,
            status: 'FUTURE',
            activeFrom: activeFrom.getTime(),
            nextResetTime: null,
          }),
          ++offset,
        ),
      ]),
  };
}

/** Returns the notifications with their status, sorted by user and title. */
const notifications = async () =>
  (
    await storage.query<{ user_id: string; title: string; status: string }>(
      'SELECT user_id, title, status FROM notification ORDER BY 1, 2',
    )
  ).map((row) => `${row.user_id} ${row.title} ${row.status}`);
const limits = async () =>
  (
    await storage.query<{ user_id: string; status: string }>(
      'SELECT user_id, status FROM user_limit ORDER BY 1',
    )
  ).map((row) => `${row.user_id} ${row.status}`);

/** Makes two changes fail: the expiry of notifications with this title, and the start of alice's limits. */
async function makeFail(title: string): Promise<void> {
  await storage.query(
    `ALTER TABLE notification ADD CONSTRAINT doomed CHECK (title <> '${title}' OR status <> 'EXPIRED')`,
  );
  await storage.query(
    `ALTER TABLE user_limit ADD CONSTRAINT doomed CHECK (user_id <> 'alice' OR status <> 'ACTIVE')`,
  );
}
async function repair(): Promise<void> {
  for (const table of ['notification', 'user_limit'])
    await storage.query(`ALTER TABLE ${table} DROP CONSTRAINT doomed`);
}

/** Makes the database refuse notifications with this title, with the error of a statement timeout. */
async function slowDown(title: string): Promise<void> {
  await storage.query(`
    CREATE FUNCTION take_too_long() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE 'canceling statement due to statement timeout' USING ERRCODE = '57014'; END $$`);
  await storage.query(`
    CREATE TRIGGER slow BEFORE INSERT OR UPDATE OF status ON notification FOR EACH ROW
    WHEN (NEW.title = '${title}') EXECUTE FUNCTION take_too_long()`);
}

describe('a due row that takes too long', () => {
  it('is postponed, and the due rows of other users are applied', async () => {
    const clock = createTestClock();
    const { schedule, error, inSeconds, send } = await startTime({ clock });
    await send(alice, { title: 'slow', expiresAt: inSeconds(10) });
    await send(bob, { title: 'later', scheduledFor: inSeconds(20) });
    await slowDown('slow');
    clock.set(inSeconds(60));
    while ((await schedule.deliverDue()) > 0);
    expect(await notifications()).toEqual(['alice slow DELIVERED', 'bob later DELIVERED']);
    expect(error.mock.calls.map(([fields]) => fields)).toMatchObject([
      { ...alice, err: { code: 'UNAVAILABLE' } },
    ]);
  });
});

describe('a row with a wrong due time', () => {
  it('is read once, and its due time is corrected', async () => {
    const clock = createTestClock();
    const { schedule, send, inSeconds } = await startTime({ clock });
    await send(alice, { title: 'never due' });
    await send(bob, { title: 'due later', expiresAt: inSeconds(3_600) });
    const [before] = await storage.store.inboxes([alice]);
    await storage.query('UPDATE notification SET due_at = $1', [inSeconds(-10)]);
    expect(await schedule.deliverDue()).toBe(2);
    expect(await schedule.deliverDue()).toBe(0);
    expect(await storage.store.nextDue()).toEqual(inSeconds(3_600));
    expect(await notifications()).toEqual(['alice never due DELIVERED', 'bob due later DELIVERED']);
    expect(await storage.store.inboxes([alice])).toEqual([before]);
  });
});

describe('a due row that always fails', () => {
  it('delays no other row, not even of the same user, is logged, and is retried later', async () => {
    const clock = createTestClock();
    const { schedule, error, inSeconds, send, define } = await startTime({ clock });
    await send(alice, { title: 'doomed', expiresAt: inSeconds(10) });
    await send(bob, { title: 'later', scheduledFor: inSeconds(20) });
    await send(alice, { title: 'later', scheduledFor: inSeconds(30) });
    await define(alice, inSeconds(10));
    await define(bob, inSeconds(20));
    await makeFail('doomed');
    clock.set(inSeconds(60));
    while ((await schedule.deliverDue()) + (await schedule.updateLimits()) > 0);
    expect(await notifications()).toEqual([
      'alice doomed DELIVERED',
      'alice later DELIVERED',
      'bob later DELIVERED',
    ]);
    expect(await limits()).toEqual(['alice FUTURE', 'bob ACTIVE']);
    expect(error.mock.calls.map(([fields]) => fields)).toMatchObject([
      { ...alice, notificationId: expect.any(String), err: { code: '23514' } },
      { ...alice, userLimitId: 'limit-1', err: { code: '23514' } },
    ]);
    const again = (await storage.store.nextDue()) as Date;
    expect(again.getTime()).toBeGreaterThan(clock.now().getTime());

    await repair();
    clock.set(again);
    while ((await schedule.deliverDue()) + (await schedule.updateLimits()) > 0);
    expect((await notifications())[0]).toBe('alice doomed EXPIRED');
    expect(await limits()).toEqual(['alice ACTIVE', 'bob ACTIVE']);
    expect(await storage.store.nextDue()).toBeUndefined();
    expect(error).toHaveBeenCalledTimes(2);
  });

  it('does not wake the schedule again at once, and the next due row is applied in time', async () => {
    const clock = { ...createTestClock(), now: () => new Date() };
    const { schedule, error, transaction, inSeconds, send } = await startTime({ clock });
    await send(alice, { title: 'doomed', expiresAt: inSeconds(1) });
    await makeFail('doomed');
    await send(bob, { title: 'soon', scheduledFor: inSeconds(3) });
    await send(bob, { title: 'next month', scheduledFor: inSeconds(30 * 86_400) });
    schedule.start();
    try {
      await vi.waitFor(async () => expect(await notifications()).toContain('bob soon DELIVERED'), {
        timeout: 10_000,
      });
      expect(error).toHaveBeenCalledTimes(1);
      const before = transaction.mock.calls.length;
      await delay(1_000);
      // Each kind of due rows may have one more round after its last row.
      expect(transaction.mock.calls.length - before).toBeLessThanOrEqual(4);
    } finally {
      await schedule.stop();
    }
  });
});

it('updates limits even if notifications fail, and reports success only when all due rows are applied', async () => {
  const clock = { ...createTestClock(), now: () => new Date() };
  const { schedule, inSeconds, define } = await startTime({ clock });
  await define(alice, inSeconds(1));
  await storage.query('ALTER TABLE notification RENAME TO elsewhere');
  schedule.start();
  try {
    await vi.waitFor(async () => expect(await limits()).toEqual(['alice ACTIVE']), { timeout: 10_000 });
    expect(schedule.succeededAt()).toBeUndefined();
    await storage.query('ALTER TABLE elsewhere RENAME TO notification');
    await vi.waitFor(() => expect(schedule.succeededAt()).toBeDefined(), { timeout: 10_000 });
  } finally {
    await schedule.stop();
  }
});

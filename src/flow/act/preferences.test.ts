import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { createPostgresEventLog } from '../../adapters/postgres/log/event-log.ts';
import type { UserKey } from '../../domain/user.ts';
import type { NotificationSent } from '../../events/notification.ts';
import { silent } from '../../ports/logger.ts';
import { createTestClock, notificationSent, recordsOf, testNow } from '../../testing/event.ts';
import { observed } from '../../testing/faults.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createProject } from '../apply/project.ts';
import { createRecord } from '../record/record.ts';
import { createAct } from './act.ts';
import type { PreferencesChange } from './preferences.ts';

const options = { retentionDays: 183, lockedCategories: ['security'] };
const clock = createTestClock();
const pubSub = observed(createLocalPubSub());

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
});
afterAll(() => storage.close());

let users = 0;
async function createUser(): Promise<UserKey> {
  const key = { tenantId: 'default', userId: `user-${++users}` };
  await storage.store.transaction((transaction) => transaction.ensureUsers([key], testNow));
  return key;
}

const act = () => createAct({ store: storage.store, pubSub, clock, logger: silent });
const update = (user: UserKey, change: Partial<PreferencesChange>) =>
  act().updatePreferences(user, { patch: {}, categories: [], ...change });
const off = (...names: string[]) => names.map((category) => ({ category, enabled: false }));

let offsets = 0;
/** Applies notifications in one batch. Returns the status of each. */
async function arrive(user: UserKey, contents: readonly Partial<NotificationSent['data']>[]) {
  const events = contents.map((content) =>
    notificationSent({ ...user, data: { category: 'general', severity: 'NORMAL', title: 'x', ...content } }),
  );
  const { store } = storage;
  const project = createProject({ store, pubSub, clock, logger: silent }, options);
  offsets += events.length;
  await project.apply(recordsOf(events, offsets));
  const kept = await Promise.all(events.map(({ id }) => store.notification(user.tenantId, id)));
  return kept.map((notification) => [notification?.status, notification?.suppressedReason]);
}
const badgeOf = async (user: UserKey) => {
  const [inbox] = await storage.store.inboxes([user]);
  return [inbox?.unseen, inbox?.unread, inbox?.version];
};

const suppressedOf = (category: string) => [
  'SUPPRESSED',
  `The user receives none of the category ${category}.`,
];
const delivered = ['DELIVERED', null];

describe('preferences', () => {
  it('keep absent fields, get the default for null fields, and are returned with all choices', async () => {
    const user = await createUser();
    const first = await update(user, {
      patch: { timeZone: 'Europe/Berlin', canReceiveNotifications: false },
      categories: off('news'),
    });
    expect(first).toMatchObject({
      user: { ...user, timeZone: 'Europe/Berlin', canReceiveNotifications: false },
      choices: [{ category: 'news', enabled: false }],
    });
    expect(await update(user, {})).toEqual(first);
    const second = await update(user, {
      patch: { timeZone: null },
      categories: [{ category: 'news', enabled: true }],
    });
    expect(second).toMatchObject({
      user: { timeZone: 'UTC', canReceiveNotifications: false },
      choices: [{ category: 'news', enabled: true }],
    });
  });

  it('are not created for a user who does not exist, and the call returns a problem', async () => {
    const unknownUser = { tenantId: 'default', userId: 'nobody' };
    expect(await update(unknownUser, { categories: off('news') })).toMatchObject({
      problem: { code: 'USER_NOT_FOUND' },
    });
    expect(await storage.store.users([unknownUser])).toEqual([]);
    expect(await storage.store.categoryChoices([unknownUser])).toEqual([]);
  });

  it('can contain at most 100 categories, even if two calls run at the same time', async () => {
    const user = await createUser();
    const names = (prefix: string, count: number) =>
      Array.from({ length: count }, (_, index) => `${prefix}${index}`);
    await update(user, { categories: off(...names('a', 60)) });
    const raced = await Promise.all(
      ['b', 'c'].map((prefix) => update(user, { categories: off(...names(prefix, 30)) })),
    );
    expect(raced.filter((one) => 'problem' in one)).toMatchObject([{ problem: { code: 'TOO_MANY_ITEMS' } }]);
    expect(await storage.store.categoryChoices([user])).toHaveLength(90);
    expect(await update(user, { categories: off(...names('d', 10), ...names('a', 60)) })).toHaveProperty(
      'user',
    );
    expect(await update(user, { categories: off('e') })).toHaveProperty('problem');
  });
});

describe('an arriving notification', () => {
  it('is suppressed with a reason if the user has opted out, unless it is critical and its category is locked', async () => {
    const user = await createUser();
    await update(user, { categories: off('news', 'security') });
    expect(
      await arrive(user, [
        { category: 'news' },
        { category: 'general' },
        { category: 'security', severity: 'HIGH' },
        { category: 'security', severity: 'CRITICAL' },
        { category: 'news', severity: 'CRITICAL' },
      ]),
    ).toEqual([suppressedOf('news'), delivered, suppressedOf('security'), delivered, suppressedOf('news')]);
    expect(await badgeOf(user)).toEqual([2, 2, 2]);
    await update(user, { patch: { canReceiveNotifications: false } });
    expect(
      await arrive(user, [{ category: 'general' }, { category: 'security', severity: 'CRITICAL' }]),
    ).toEqual([['SUPPRESSED', 'The user receives no notifications.'], delivered]);
    expect(await badgeOf(user)).toEqual([3, 3, 3]);
  });

  it('stays suppressed if the user opts in later, and no badge changes', async () => {
    const user = await createUser();
    await update(user, { categories: off('news') });
    await arrive(user, [{ category: 'news' }, {}]);
    const before = pubSub.published.length;
    await update(user, { categories: [{ category: 'news', enabled: true }] });
    expect(pubSub.published).toHaveLength(before);
    expect(await badgeOf(user)).toEqual([1, 1, 1]);
    expect(await storage.store.countNotifications(user, {})).toBe(1);
    expect(await arrive(user, [{ category: 'news' }])).toEqual([delivered]);
    expect(await badgeOf(user)).toEqual([2, 2, 2]);
  });

  it('is suppressed only for the users who opted out, even if users of several tenants are in one batch', async () => {
    const [a, b] = [await createUser(), await createUser()];
    const namesake = { ...a, tenantId: 'other' };
    await storage.store.transaction((transaction) => transaction.ensureUsers([namesake], testNow));
    await update(a, { categories: off('news') });
    const events = [a, b, namesake].map((user) =>
      notificationSent({ ...user, data: { category: 'news', severity: 'LOW', title: 'x' } }),
    );
    const { store } = storage;
    offsets += 3;
    await createProject({ store, pubSub, clock, logger: silent }, options).apply(recordsOf(events, offsets));
    expect(await Promise.all([a, b, namesake].map(badgeOf))).toEqual([
      [0, 0, 0],
      [1, 1, 1],
      [1, 1, 1],
    ]);
  });
});

describe('the API', () => {
  it('refuses a notification that would be suppressed, with the same reason, and records nothing', async () => {
    const user = await createUser();
    await update(user, { categories: off('news', 'security') });
    const { store, database, connection } = storage;
    const log = createPostgresEventLog({ database, connection, logger: silent });
    const record = createRecord({ log, store, clock }, options);
    const caller = { tenantId: 'default', subject: 'shop', role: 'service', expiresAt: testNow } as const;
    const send = (content: object) =>
      record.notification(caller, 'sendNotification', { userId: user.userId, content });
    expect(await send({ title: 'x', category: 'news' })).toEqual({
      eventIds: [],
      problems: [
        {
          code: 'OPTED_OUT',
          message: 'The user receives none of the category news.',
          path: ['input', 'userId'],
        },
      ],
    });
    expect(await storage.query('SELECT FROM event_log')).toEqual([]);
    expect(await send({ title: 'x', category: 'security', severity: 'CRITICAL' })).toMatchObject({
      problems: [],
    });
    expect(await send({ title: 'x' })).toMatchObject({ problems: [] });
    await log.close();
  });
});

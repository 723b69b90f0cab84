import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startTestApp, type TestApp } from '../testing/app.ts';
import { notificationSent, pageViewed } from '../testing/event.ts';

let app: TestApp;
let service: string;
let admin: string;
beforeAll(async () => {
  app = await startTestApp({ LOCKED_CATEGORIES: 'security,billing' });
  service = await app.token({ role: 'service', subject: 'shop' });
  admin = await app.token({ role: 'admin', subject: 'root' });
});
afterAll(() => app.stop());

/** Returns the data of an operation, which must have no errors. */
async function ask(token: string, query: string, variables: object = {}) {
  const { data, errors } = await app.send(token, query, { ...variables });
  expect(errors).toBeUndefined();
  return data as unknown;
}

const range = `mutation ($input: ImportUserRangeInput!) {
  importUserRange(input: $input) { createdCount updatedCount userErrors { code message path } } }`;
const list = `query ($first: Int, $after: String) { users(first: $first, after: $after) {
  totalCount pageInfo { hasNextPage hasPreviousPage endCursor } edges { cursor node { userId } }
  nodes { id userId timeZone canReceiveNotifications } } }`;
interface Users {
  readonly users: {
    readonly totalCount: number;
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
    readonly nodes: readonly { readonly userId: string; readonly timeZone: string }[];
  };
}

describe('users', () => {
  it('are created and changed in ranges of ids, and the pages list each user once', async () => {
    const tenant = { role: 'service', subject: 'shop', tenantId: 'ranges' } as const;
    const rangesService = await app.token(tenant);
    const importing = (fromId: number, toIdExclusive: number, patch: object) =>
      ask(rangesService, range, { input: { fromId, toIdExclusive, patch } });
    expect(await importing(0, 120, { timeZone: 'Asia/Kathmandu' })).toEqual({
      importUserRange: { createdCount: 120, updatedCount: 0, userErrors: [] },
    });
    const patch = { canReceiveNotifications: false };
    expect(await importing(118, 122, patch)).toMatchObject({
      importUserRange: { createdCount: 2, updatedCount: 2 },
    });
    expect(await importing(119, 120, { timeZone: null })).toMatchObject({
      importUserRange: { createdCount: 0, updatedCount: 1 },
    });
    const found = new Map<string, string>();
    let after: string | null = null;
    do {
      const page: Users = (await ask(rangesService, list, { first: 50, after })) as Users;
      expect(page.users.totalCount).toBe(122);
      for (const { userId, timeZone } of page.users.nodes) found.set(userId, timeZone);
      after = page.users.pageInfo.hasNextPage ? page.users.pageInfo.endCursor : null;
    } while (after !== null);
    expect(found.size).toBe(122);
    expect([...found.keys()].toSorted()).toEqual(Array.from({ length: 122 }, (_, id) => `${id}`).toSorted());
    expect(['0', '118', '119', '121'].map((userId) => found.get(userId))).toEqual([
      'Asia/Kathmandu',
      'Asia/Kathmandu',
      'UTC',
      'UTC',
    ]);
  });

  it('are imported up to 10 000 at a time, and a repeated import is allowed', async () => {
    const input = { fromId: 2_147_473_647, toIdExclusive: 2_147_483_647, patch: { timeZone: 'UTC' } };
    expect(await ask(service, range, { input })).toMatchObject({ importUserRange: { createdCount: 10_000 } });
    expect(await ask(service, range, { input })).toMatchObject({ importUserRange: { updatedCount: 10_000 } });
  });
});

const prefer = `mutation ($input: UpdatePreferencesInput!) { updatePreferences(input: $input) {
  preferences { enabled categories { category enabled locked } } badge { unseen version }
  userErrors { code message path } } }`;
const send = `mutation ($to: ID!, $content: NotificationContentInput!) {
  sendNotification(input: { userId: $to, content: $content }) { notificationId userErrors { code message path } } }`;
const upsert =
  'mutation ($id: ID!) { upsertUsers(input: { users: [{ userId: $id, patch: {} }] }) { createdCount } }';

describe('preferences', () => {
  const billing = { category: 'billing', enabled: true, locked: true };
  const security = { category: 'security', enabled: true, locked: true };

  it('can be changed by the user, and decide which notifications are accepted', async () => {
    const token = await app.token({ subject: 'picky' });
    const categories = [
      { category: 'news', enabled: false },
      { category: 'security', enabled: false },
    ];
    const chosen = [
      billing,
      { category: 'news', enabled: false, locked: false },
      { ...security, enabled: false },
    ];
    expect(
      await ask(token, '{ viewer { preferences { enabled categories { category enabled locked } } } }'),
    ).toEqual({
      viewer: { preferences: { enabled: true, categories: [billing, security] } },
    });
    expect(await ask(token, prefer, { input: { categories, timeZone: 'Europe/Berlin' } })).toEqual({
      updatePreferences: {
        preferences: { enabled: true, categories: chosen },
        badge: { unseen: 0, version: 0 },
        userErrors: [],
      },
    });
    const sendTo = (content: object) =>
      ask(service, send, { to: 'picky', content: { title: 'x', ...content } });
    const optedOut = (message: string) => ({
      sendNotification: {
        notificationId: null,
        userErrors: [{ code: 'OPTED_OUT', message, path: ['input', 'userId'] }],
      },
    });
    expect(await sendTo({ category: 'news' })).toEqual(
      optedOut('The user receives none of the category news.'),
    );
    expect(await ask(service, prefer, { input: { userId: 'picky', enabled: false } })).toMatchObject({
      updatePreferences: { preferences: { enabled: false, categories: chosen } },
    });
    expect(await sendTo({})).toEqual(optedOut('The user receives no notifications.'));
    expect(await sendTo({ category: 'security', severity: 'CRITICAL' })).toMatchObject({
      sendNotification: { notificationId: expect.any(String), userErrors: [] },
    });
    const state = '{ viewer { timeZone canReceiveNotifications badge { unseen } } }';
    await vi.waitFor(async () =>
      expect(await ask(token, state)).toEqual({
        viewer: { timeZone: 'Europe/Berlin', canReceiveNotifications: false, badge: { unseen: 1 } },
      }),
    );
    expect(await ask(token, prefer, { input: { enabled: null, timeZone: null } })).toMatchObject({
      updatePreferences: { preferences: { enabled: true }, badge: { unseen: 1 } },
    });
    expect(await ask(token, state)).toMatchObject({ viewer: { timeZone: 'UTC' } });
  });

  it('suppress a notification that was sent through the log, and only admins see the reason', async () => {
    const token = await app.token({ subject: 'quiet' });
    await ask(token, prefer, { input: { categories: [{ category: 'general', enabled: false }] } });
    const { id, ...event } = notificationSent({ userId: 'quiet', occurredAt: new Date() });
    await app.runtime.backends.log.append([{ ...event, id }]);
    await vi.waitFor(async () =>
      expect(await app.runtime.backends.store.notification('default', id)).toBeDefined(),
    );
    const nodeId = `ntf_${Buffer.from(id).toString('base64url')}`;
    const seenBy = (by: string) =>
      ask(by, 'query ($id: ID!) { node(id: $id) { ... on Notification { status suppressedReason } } }', {
        id: nodeId,
      });
    const suppressedReason = 'The user receives none of the category general.';
    expect(await seenBy(admin)).toEqual({ node: { status: 'SUPPRESSED', suppressedReason } });
    expect(await seenBy(service)).toEqual({ node: { status: 'SUPPRESSED', suppressedReason: null } });
    expect(await seenBy(token)).toEqual({ node: null });
    expect(await ask(token, '{ viewer { notifications { totalCount } badge { unseen } } }')).toEqual({
      viewer: { notifications: { totalCount: 0 }, badge: { unseen: 0 } },
    });
  });
});

describe('erasing a user', () => {
  const erase = `mutation ($id: ID!) { eraseUser(userId: $id) { erasedUserId userErrors { code message path } } }`;

  it('removes the data of the user, updates open subscriptions, and returns the id of the user', async () => {
    await ask(service, upsert, { id: 'gone' });
    const token = await app.token({ subject: 'gone' });
    await ask(service, send, { to: 'gone', content: { title: 'x' } });
    await app.runtime.backends.log.append([pageViewed({ userId: 'gone', occurredAt: new Date() })]);
    const user = '{ user(userId: "gone") { badge { unseen } pageViews { totalCount } } }';
    await vi.waitFor(async () =>
      expect(await ask(service, user)).toEqual({
        user: { badge: { unseen: 1 }, pageViews: { totalCount: 1 } },
      }),
    );
    const seen: unknown[] = [];
    app
      .client(token)
      .subscribe(
        { query: 'subscription { badgeChanged { kind cause badge { unseen } } }' },
        { next: ({ data }) => void seen.push(data?.['badgeChanged']), error() {}, complete() {} },
      );
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    expect(await ask(admin, erase, { id: 'gone' })).toEqual({
      eraseUser: { erasedUserId: 'gone', userErrors: [] },
    });
    await vi.waitFor(() =>
      expect(seen.at(-1)).toEqual({ kind: 'CHANGE', cause: 'RESYNCED', badge: { unseen: 0 } }),
    );
    expect(await ask(service, user)).toEqual({ user: null });
    expect(await ask(admin, erase, { id: 'gone' })).toEqual({
      eraseUser: {
        erasedUserId: null,
        userErrors: [{ code: 'USER_NOT_FOUND', message: 'No such user.', path: ['userId'] }],
      },
    });
  });
});

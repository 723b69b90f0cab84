import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startTestApp, type TestApp } from '../testing/app.ts';

let app: TestApp;
let service: string;
beforeAll(async () => {
  app = await startTestApp();
  service = await app.token({ role: 'service', subject: 'shop' });
});
afterAll(() => app.stop());

const sendMany = `mutation ($input: SendNotificationsInput!) { sendNotifications(input: $input) {
  accepted notificationIds userErrors { code message path } } }`;
const upsert =
  'mutation ($users: [UpsertUserInput!]!) { upsertUsers(input: { users: $users }) { createdCount } }';

async function ask<Data>(query: string, variables: object, token = service): Promise<Data> {
  const { data, errors } = await app.send(token, query, { ...variables });
  expect(errors).toBeUndefined();
  return data as unknown as Data;
}
interface Sent {
  readonly sendNotifications: { readonly accepted: number; readonly notificationIds: readonly string[] };
}

const named = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
const create = (userIds: readonly string[]) =>
  ask(upsert, { users: userIds.map((userId) => ({ userId, patch: {} })) });
const badgeOf = (userId: string) =>
  ask('query ($id: ID!) { user(userId: $id) { badge { unseen version } } }', { id: userId });

describe('sendNotifications', () => {
  it('sends to 500 users in one call, and returns the ids of the notifications', async () => {
    const userIds = named('many', 500);
    await create(userIds);
    const input = { userIds, content: { title: 'We are open on Sunday', category: 'news' } };
    const { sendNotifications: sent } = await ask<Sent>(sendMany, { input });
    expect(sent).toMatchObject({ accepted: 500, userErrors: [] });
    expect(new Set(sent.notificationIds).size).toBe(500);
    for (const userId of ['many-0', 'many-499']) {
      await vi.waitFor(async () =>
        expect(await badgeOf(userId)).toEqual({ user: { badge: { unseen: 1, version: 1 } } }),
      );
    }
    const node = 'query ($id: ID!) { node(id: $id) { ... on Notification { title category status } } }';
    const token = await app.token({ subject: 'many-499' });
    expect(await ask(node, { id: sent.notificationIds[499] }, token)).toEqual({
      node: { title: 'We are open on Sunday', category: 'news', status: 'DELIVERED' },
    });
    expect(await ask(node, { id: sent.notificationIds[0] }, token)).toEqual({ node: null });
  });

  it('reports the path of an unknown user, and returns the same answer for a repeated idempotency key', async () => {
    await create(['there', 'too']);
    const input = {
      userIds: ['there', 'nobody', 'too'],
      content: { title: 'Hello' },
      idempotencyKey: 'partly',
    };
    const first = await ask<Sent>(sendMany, { input });
    expect(first).toMatchObject({
      sendNotifications: {
        accepted: 2,
        userErrors: [{ code: 'USER_NOT_FOUND', message: 'No such user.', path: ['input', 'userIds', '1'] }],
      },
    });
    await create(['nobody']);
    expect(await ask(sendMany, { input })).toEqual(first);
    // When this notification has arrived, every effect of the repeated call has happened.
    await ask(sendMany, { input: { userIds: ['there', 'nobody'], content: { title: 'After' } } });
    for (const [userId, unseen] of [
      ['there', 2],
      ['nobody', 1],
      ['too', 1],
    ] as const) {
      await vi.waitFor(async () =>
        expect(await badgeOf(userId)).toEqual({ user: { badge: { unseen, version: unseen } } }),
      );
    }
  });

  it('schedules a notification for each user', async () => {
    await create(['later-0', 'later-1']);
    const scheduledFor = new Date(Date.now() + 3_600_000).toISOString();
    const input = { userIds: ['later-0', 'later-1'], content: { title: 'Later' }, scheduledFor };
    expect(await ask(sendMany, { input })).toMatchObject({ sendNotifications: { accepted: 2 } });
    const token = await app.token({ subject: 'later-1' });
    await vi.waitFor(async () =>
      expect(
        await ask('{ viewer { scheduledNotifications { nodes { title scheduledFor } } } }', {}, token),
      ).toEqual({
        viewer: { scheduledNotifications: { nodes: [{ title: 'Later', scheduledFor }] } },
      }),
    );
  });
});

// @module-tag end-to-end
import { setTimeout as delay } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import { startTestApp, type TestApp } from './testing/app.ts';

const waiting = { timeout: 20_000, interval: 20 };

let app: TestApp;
let service: string;
beforeAll(async () => {
  app = await startTestApp();
  service = await app.token({ role: 'service', subject: 'shop' });
  const users = ['alice', 'bob', 'carol', 'dave'].map((userId) => ({ userId, patch: {} }));
  await run(
    service,
    'mutation ($u: [UpsertUserInput!]!) { upsertUsers(input: { users: $u }) { createdCount } }',
    {
      u: users,
    },
  );
});
afterAll(() => app.stop());

/** Sends an operation that must succeed. Returns its data. */
async function run<Data>(
  token: string,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<Data> {
  const { data, errors } = await app.send(token, query, variables);
  expect(errors).toBeUndefined();
  return data as Data;
}

const sendMutation =
  'mutation ($i: SendNotificationInput!) { sendNotification(input: $i) { notificationId userErrors { message } } }';
async function send(userId: string, content: object = {}, more: object = {}): Promise<string> {
  const variables = { i: { userId, content: { title: 'Hi', ...content }, ...more } };
  const { sendNotification } = await run<{ sendNotification: { notificationId: string } }>(
    service,
    sendMutation,
    variables,
  );
  return sendNotification.notificationId;
}

interface Row {
  readonly id: string;
  readonly deliveredAt: string;
  readonly seenAt: string | null;
  readonly readAt: string | null;
}
type Event = { readonly badge: { readonly unseen: number; readonly version: number } } & (
  | { readonly __typename: 'NotificationAdded'; readonly cursor: string; readonly notification: Row }
  | {
      readonly __typename: 'NotificationsChanged';
      readonly cursor: string;
      readonly ids: string[];
      readonly action: string;
    }
  | { readonly __typename: 'StreamReset'; readonly resumeFrom: string; readonly reason: string }
);

const row = 'id deliveredAt seenAt readAt';
const streamOf = `subscription ($after: String, $userId: ID) { notificationStream(after: $after, userId: $userId) {
  __typename
  ... on NotificationAdded { cursor notification { ${row} suppressedReason } badge { unseen version } }
  ... on NotificationsChanged { cursor ids action badge { unseen version } }
  ... on StreamReset { resumeFrom reason badge { unseen version } } } }`;

const list = async (token: string) =>
  (
    await run<{ viewer: { notifications: { nodes: Row[] } } }>(
      token,
      `{ viewer { notifications(first: 100) { nodes { ${row} } } } }`,
    )
  ).viewer.notifications.nodes;

/**
 * Opens a page that keeps a list up to date as the README describes. The test may cut the connection of the
 * page at any time.
 */
async function openPage(userId: string) {
  const token = await app.token({ subject: userId });
  const sockets: WebSocket[] = [];
  const client = createClient({
    url: `${app.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: () => true,
    retryWait: () => delay(10 * Math.random()),
    on: { opened: (socket) => sockets.push(socket as WebSocket) },
  });
  const variables: { after?: string } = {};
  const rows = new Map<string, { seen: boolean; read: boolean }>();
  const cursors: string[] = [];
  const resets: string[] = [];
  let badge = { unseen: -1, version: -1 };
  let failed: unknown;
  const show = ({ id, seenAt, readAt }: Row) => {
    rows.delete(id);
    rows.set(id, { seen: seenAt !== null, read: readAt !== null });
  };
  // The page applies events one after the other. After a reset, the page therefore loads the whole list
  // before it applies later events.
  let applying = Promise.resolve();
  async function apply(event: Event): Promise<void> {
    badge = event.badge;
    if (event.__typename === 'StreamReset') {
      resets.push(event.reason);
      rows.clear();
      for (const one of (await list(token)).toReversed()) show(one);
      return;
    }
    if (event.__typename === 'NotificationAdded') return show(event.notification);
    for (const id of event.ids) {
      const known = rows.get(id);
      if (!known) continue;
      if (event.action === 'ARCHIVE' || event.action === 'SNOOZE') rows.delete(id);
      if (event.action === 'SEEN' || event.action === 'READ') known.seen = true;
      if (event.action === 'READ') known.read = true;
      if (event.action === 'UNREAD') known.read = false;
    }
  }
  client.subscribe<{ notificationStream: Event }>(
    { query: streamOf, variables },
    {
      next({ data, errors }) {
        failed ??= errors;
        const event = data?.notificationStream;
        if (!event) return;
        variables.after = event.__typename === 'StreamReset' ? event.resumeFrom : event.cursor;
        cursors.push(variables.after);
        applying = applying.then(() => apply(event));
      },
      error(error) {
        failed = error;
      },
      complete() {},
    },
  );
  return {
    userId,
    rows,
    cursors,
    resets,
    badge: () => badge,
    failure: () => failed,
    connections: () => sockets.length,
    cut: () => sockets.at(-1)?.terminate(),
    dispose: async () => client.dispose(),
  };
}

describe('a reconnect storm', () => {
  it('leaves the stored list on every page, with one reset and no repeated event', async () => {
    const users = ['alice', 'bob', 'carol'];
    const pages = await Promise.all(
      users.flatMap((userId) => Array.from({ length: 8 }, () => openPage(userId))),
    );
    const tokens = new Map(
      await Promise.all(users.map(async (userId) => [userId, await app.token({ subject: userId })] as const)),
    );
    await vi.waitFor(() => expect(pages.every(({ resets }) => resets.length === 1)).toBe(true), waiting);
    let isOver = false;
    const storm = (async () => {
      while (!isOver) {
        await delay(15);
        for (const page of pages) if (Math.random() < 0.3) page.cut();
      }
    })();
    for (let n = 0; n < 40; n += 1) {
      await Promise.all(
        users.map(async (userId) => {
          const id = await send(userId, { groupKey: n % 5 === 0 ? 'g' : null, title: `number ${n}` });
          const token = tokens.get(userId) as string;
          if (n % 7 === 3) await run(token, 'mutation { openInbox(input: {}) { badge { id } } }');
          const action = ['READ', 'ARCHIVE', 'UNREAD'][n % 11];
          const mark =
            'mutation ($i: MarkNotificationsInput!) { markNotifications(input: $i) { affectedCount } }';
          const some = action === 'ARCHIVE' ? { ids: [id] } : { filter: { read: action === 'UNREAD' } };
          if (action) await run(token, mark, { i: { action, ...some } });
        }),
      );
    }
    isOver = true;
    await storm;
    for (const [userId, token] of tokens) {
      const stored = await vi.waitFor(async () => {
        expect((await app.runtime.backends.log.health()).lag).toBe(0n);
        return list(token);
      }, waiting);
      expect(stored.length, userId).toBeGreaterThan(20);
      const wanted = stored.map(({ id, seenAt, readAt }) => [
        id,
        { seen: seenAt !== null, read: readAt !== null },
      ]);
      for (const page of pages.filter((one) => one.userId === userId)) {
        await vi.waitFor(() => expect([...page.rows].toReversed()).toEqual(wanted), waiting);
      }
    }
    for (const page of pages) {
      expect(page.failure()).toBeUndefined();
      expect(page.resets).toEqual(['NO_CURSOR']);
      expect(new Set(page.cursors).size).toBe(page.cursors.length);
      expect(page.connections()).toBeGreaterThan(3);
      await page.dispose();
    }
  }, 120_000);
});

/** Returns the first `count` answers to a subscription, or all answers if the subscription ends earlier. */
async function first(token: string, variables: object, count = 1) {
  const answers = [];
  for await (const answer of app.client(token).iterate({ query: streamOf, variables: { ...variables } })) {
    answers.push(answer);
    if (answers.length === count) break;
  }
  return answers;
}

/** Returns the cursor at which a new stream of the user begins. */
async function begin(token: string, variables: object = {}): Promise<string> {
  const [answer] = await first(token, variables);
  const data = answer?.data as { notificationStream: { resumeFrom: string } } | undefined;
  return data?.notificationStream.resumeFrom ?? '';
}

describe('a cursor', () => {
  const encoded = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url');
  const own = 'notificationStream';
  const bad: [what: string, cursor: string][] = [
    ['without characters', ''],
    ['of one character', 'x'],
    ['of an empty list', encoded()],
    ['of another user', encoded(own, 'default/bob', '0', '1', '0')],
    ['of another tenant', encoded(own, 'other/dave', '0', '1', '0')],
    ['of another list', encoded('notifications', 'default/dave', '1')],
    [
      'of another list with a position of the stream',
      encoded('notifications', 'default/dave', '0', '1', '0'),
    ],
    ['without a position', encoded(own, 'default/dave')],
    ['with two parts of a position', encoded(own, 'default/dave', '0', '1')],
    ['with four parts of a position', encoded(own, 'default/dave', '0', '1', '0', '0')],
    ['with numbers', encoded(own, 'default/dave', 0, 1, 0)],
    ['with a negative position', encoded(own, 'default/dave', '0', '-1', '0')],
    ['with a leading zero in a position', encoded(own, 'default/dave', '0', '01', '0')],
    ['with SQL in a position', encoded(own, 'default/dave', '0', '1 OR 1=1', '0')],
    ['with a position over the maximum', encoded(own, 'default/dave', '0', '9'.repeat(16), '0')],
  ];
  it.each(bad)('%s is refused', async (_, after) => {
    const [answer] = await first(await app.token({ subject: 'dave' }), { after });
    expect(answer).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] });
  });

  it('that a user forges for an unknown position of the own inbox causes a reset with UNKNOWN_CURSOR', async () => {
    const dave = await app.token({ subject: 'dave' });
    const [answer] = await first(dave, { after: encoded(own, 'default/dave', '0', '9'.repeat(15), '0') });
    expect(answer).toMatchObject({ data: { notificationStream: { reason: 'UNKNOWN_CURSOR' } } });
  });

  it('of the stream is refused by lists and by streams of other users', async () => {
    const [dave, bob] = [await app.token({ subject: 'dave' }), await app.token({ subject: 'bob' })];
    const after = await begin(dave);
    const reply = await app.send(
      dave,
      'query ($after: String) { viewer { notifications(after: $after) { nodes { id } } } }',
      {
        after,
      },
    );
    expect(reply.errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    expect(await first(bob, { after })).toMatchObject([
      { errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] },
    ]);
  });
});

describe('a stream over a socket', () => {
  it('is open to a service that names a user, and ends when an admin erases that user', async () => {
    const after = await begin(service, { userId: 'erin' });
    const upsert =
      'mutation { upsertUsers(input: { users: [{ userId: "erin", patch: {} }] }) { createdCount } }';
    await run(service, upsert);
    const id = await send('erin');
    const [answer] = await first(service, { userId: 'erin', after });
    expect(answer).toMatchObject({
      data: { notificationStream: { notification: { id, suppressedReason: null }, badge: { unseen: 1 } } },
    });
    const admin = await app.token({ role: 'admin', subject: 'root' });
    const following = first(service, { userId: 'erin' }, 3);
    await vi.waitFor(async () => {
      const { systemStatus } = await run<{ systemStatus: { watchedUsers: number } }>(
        admin,
        '{ systemStatus { watchedUsers } }',
      );
      expect(systemStatus.watchedUsers).toBe(1);
    }, waiting);
    await run(admin, 'mutation { eraseUser(userId: "erin") { erasedUserId } }');
    expect(await following).toMatchObject([
      { data: { notificationStream: { reason: 'NO_CURSOR' } } },
      { data: { notificationStream: { reason: 'USER_ERASED', badge: { unseen: 0 } } } },
    ]);
  });

  it('reports the action SNOOZE, although markNotifications refuses this action', async () => {
    const dave = await app.token({ subject: 'dave' });
    const after = await begin(dave);
    const id = await send('dave');
    expect(await first(dave, { after })).toMatchObject([
      { data: { notificationStream: { notification: { id } } } },
    ]);
    const until = new Date(Date.now() + 3_600_000).toISOString();
    await run(
      dave,
      'mutation ($i: SnoozeNotificationInput!) { snoozeNotification(input: $i) { badge { id } } }',
      {
        i: { id, until },
      },
    );
    expect(await first(dave, { after }, 2)).toMatchObject([
      { data: { notificationStream: { notification: { id } } } },
      { data: { notificationStream: { action: 'SNOOZE', ids: [id], badge: { unseen: 0 } } } },
    ]);
    for (const action of ['SNOOZE', 'EXPIRE']) {
      const mark =
        'mutation ($i: MarkNotificationsInput!) { markNotifications(input: $i) { affectedCount userErrors { code path } } }';
      expect(await run(dave, mark, { i: { action, filter: {} } })).toEqual({
        markNotifications: {
          affectedCount: 0,
          userErrors: [{ code: 'INVALID_INPUT', path: ['input', 'action'] }],
        },
      });
    }
  });
});

describe('an undelivered notification', () => {
  it('is visible to its user while it is scheduled, and is visible only to services after it is canceled', async () => {
    const dave = await app.token({ subject: 'dave' });
    const scheduledFor = new Date(Date.now() + 3_600_000).toISOString();
    const [scheduled, canceled] = [
      await send('dave', {}, { scheduledFor }),
      await send('dave', {}, { scheduledFor }),
    ];
    const node = 'query ($id: ID!) { node(id: $id) { ... on Notification { status } } }';
    const statusFor = async (token: string, id: string) =>
      (await run<{ node: { status: string } | null }>(token, node, { id })).node?.status;
    await vi.waitFor(async () => expect(await statusFor(service, canceled)).toBe('SCHEDULED'), waiting);
    await run(
      service,
      'mutation ($id: ID!) { cancelScheduledNotification(id: $id) { notification { id } } }',
      { id: canceled },
    );
    expect(await statusFor(service, canceled)).toBe('CANCELED');
    expect(await statusFor(service, scheduled)).toBe('SCHEDULED');
    expect(await statusFor(dave, canceled)).toBeUndefined();
    expect(await statusFor(dave, scheduled)).toBe('SCHEDULED');
    expect((await list(dave)).map(({ id }) => id)).not.toContain(scheduled);
    const still = '{ scheduledNotifications { nodes { id } } }';
    expect(await run(dave, `{ viewer ${still} }`)).toMatchObject({
      viewer: { scheduledNotifications: { nodes: [{ id: scheduled }] } },
    });
  });
});

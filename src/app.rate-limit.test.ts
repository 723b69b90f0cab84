import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import { startTestApp, type TestApp } from './testing/app.ts';

// The limit is one request per second and five requests at once. Of twenty requests, the server therefore
// answers some and refuses the rest.
let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({
    RATE_LIMIT_PER_USER: '1',
    RATE_LIMIT_PER_SERVICE: '2',
    RATE_LIMIT_PER_ADDRESS: '1',
    MAX_IN_FLIGHT_PER_USER: '20',
  });
});
afterAll(() => app.stop());

const request = (token: string) =>
  fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query: '{ __typename }' }),
  });

const twenty = (token: string) => Promise.all(Array.from({ length: 20 }, () => request(token)));
const statusesOf = (responses: readonly Response[]) => new Set(responses.map(({ status }) => status));

async function expectTooMany(responses: readonly Response[], limit: string): Promise<void> {
  const refused = responses.find(({ status }) => status === 429);
  expect(refused?.headers.get('retry-after')).toBe('1');
  expect(await refused?.json()).toEqual({
    errors: [
      {
        message: `Too many requests: ${limit}. Try again in 1 s.`,
        extensions: {
          code: 'RATE_LIMITED',
          retryAfter: 1,
          requestId: refused?.headers.get('x-request-id'),
        },
      },
    ],
  });
}

const refusedSoFar = async () => {
  const text = await (await fetch(`${app.url}/metrics`)).text();
  return Number(/^unseen_rate_limited_requests (\d+)$/m.exec(text)?.[1]);
};

/**
 * Opens a socket with a token and sends the messages after the acknowledgement. Resolves when the socket is
 * closed.
 */
function closeOf(token: string, messages: readonly object[] = []): Promise<{ code: number; reason: string }> {
  const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const send = (message: object) => socket.send(JSON.stringify(message));
  socket.on('open', () => send({ type: 'connection_init', payload: { authorization: token } }));
  socket.once('message', () => messages.forEach(send));
  return new Promise((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: String(reason) }));
  });
}

const ofUser = '1 per second are allowed per user';
const ofAddress = '1 per second are allowed per address without a valid token';

describe('a user who sends too much', () => {
  it('gets 429 with the time to wait, and is served again after that time', async () => {
    const alice = await app.token();
    const before = await refusedSoFar();
    const responses = await twenty(alice);
    expect(statusesOf(responses)).toEqual(new Set([200, 429]));
    await expectTooMany(responses, ofUser);
    expect(await refusedSoFar()).toBe(before + responses.filter(({ status }) => status === 429).length);
    await vi.waitFor(async () => expect((await request(alice)).status).toBe(200), 5_000);
  });

  it('does not affect other users, even if they have the same name in another tenant', async () => {
    const carol = await app.token({ subject: 'carol' });
    const others = await Promise.all([
      app.token({ subject: 'bob' }),
      app.token({ subject: 'carol', tenantId: 'other' }),
      app.token({ subject: 'carol', role: 'service' }),
    ]);
    expect(statusesOf(await twenty(carol))).toContain(429);
    expect(statusesOf(await Promise.all(others.map(request)))).toEqual(new Set([200]));
  });

  it('gets the close code 4290 on each WebSocket', async () => {
    const dave = await app.token({ subject: 'dave' });
    const subscriptions = Array.from({ length: 20 }, (_, id) => ({
      id: String(id),
      type: 'subscribe',
      payload: { query: 'subscription { badgeChanged { kind } }' },
    }));
    const tooMany = { code: 4290, reason: `Too many requests: ${ofUser}. Try again in 1 s.` };
    expect(await closeOf(dave, subscriptions)).toEqual(tooMany);
    expect(await closeOf(dave, subscriptions)).toEqual(tooMany);
  });

  it('gets the close code 4290 for opening too many sockets, because each opened socket counts as a request', async () => {
    const frank = await app.token({ subject: 'frank' });
    const first = await Promise.race(Array.from({ length: 20 }, () => closeOf(frank)));
    expect(first).toEqual({ code: 4290, reason: `Too many requests: ${ofUser}. Try again in 1 s.` });
    expect(statusesOf(await twenty(frank))).toContain(429);
  });
});

it.each(['service', 'admin'] as const)('a %s has a separate limit', async (role) => {
  const responses = await twenty(await app.token({ subject: role, role }));
  expect(responses.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(10);
  await expectTooMany(responses, '2 per second are allowed per service');
});

describe('an address that sends too much without a valid token', () => {
  it.each([
    ['no token', ''],
    ['an invalid token', 'x.y.z'],
  ])('gets 429 with %s, while users with a valid token are served', async (_, token) => {
    const erin = await app.token({ subject: `erin${token}` });
    const expired = await app.token({ expiresIn: '-1m' });
    const responses = await twenty(token);
    await expectTooMany(responses, ofAddress);
    expect((await request(erin)).status).toBe(200);
    expect(statusesOf(await twenty(expired))).toEqual(new Set([401]));
    await vi.waitFor(async () => expect((await request(token)).status).toBe(401), 5_000);
  });

  it('gets the close code 4290 on a WebSocket', async () => {
    const closes = await Promise.all(Array.from({ length: 20 }, () => closeOf('x.y.z')));
    const tooMany = { code: 4290, reason: `Too many requests: ${ofAddress}. Try again in 1 s.` };
    expect(closes).toContainEqual(tooMany);
    expect((await closeOf(await app.token({ expiresIn: '-1m' }))).code).toBe(4403);
    await vi.waitFor(async () => expect((await closeOf('x.y.z')).code).toBe(4401), 5_000);
  });
});

import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Store } from './ports/store/store.ts';
import { startTestApp, type TestApp } from './testing/app.ts';

// Limits that a test can reach. A user gets 4 points per second, can collect up to 20 unused points, and runs
// at most 2 operations at a time.
const env = {
  RATE_LIMIT_PER_USER: '4',
  RATE_LIMIT_PER_SERVICE: '0',
  MAX_IN_FLIGHT_PER_USER: '2',
  MAX_IN_FLIGHT_PER_TENANT: '8',
};

/**
 * While this variable is set, the store answers queries of this tenant for stats, recipients and inboxes only
 * after `until` resolves.
 */
let slow: { readonly tenantId: string; readonly until: Promise<unknown>; end(): void } | undefined;
let statsQueries = 0;
function slowDown(tenantId: string): void {
  let end = () => {};
  const until = new Promise<void>((resolve) => {
    end = resolve;
  });
  slow = { tenantId, until, end };
}
function slowly(store: Store): Store {
  const wait = (tenantId = '') => (tenantId === slow?.tenantId ? slow.until : undefined);
  return {
    ...store,
    async stats(user, window) {
      statsQueries += 1;
      await wait(user.tenantId);
      return store.stats(user, window);
    },
    async recipients(keys) {
      await wait(keys[0]?.tenantId);
      return store.recipients(keys);
    },
    async inboxes(keys) {
      await wait(keys[0]?.tenantId);
      return store.inboxes(keys);
    },
  };
}

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp(env, {
    wrap: (runtime) => {
      const { callers } = runtime.backends;
      const backends = { ...runtime.backends, callers: { ...callers, store: slowly(callers.store) } };
      return { ...runtime, backends };
    },
  });
});
afterEach(() => slow?.end());
afterAll(() => app.stop());

const badge = '{ viewer { badge { unseen } } }';
const stats = '{ viewer { stats { pageViewCount } } }';

const metric = async (name: string) => {
  const text = await (await fetch(`${app.url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
};
const becomes = (name: string, value: number) =>
  vi.waitFor(async () => expect(await metric(name)).toBe(value), { timeout: 15_000, interval: 5 });

const post = (token: string, query: string, variables?: object) =>
  fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });

const recordPageViews = `mutation ($input: RecordPageViewsInput!) { recordPageViews(input: $input) { accepted } }`;
const views = (count: number) => ({ input: { views: Array.from({ length: count }, () => ({ name: 'x' })) } });

describe('operations in flight', () => {
  it('are refused if too many operations of the user run and wait, while another user gets answers', async () => {
    const [alice, bob] = [await app.token({ subject: 'many' }), await app.token({ subject: 'one' })];
    slowDown('default');
    const held = Array.from({ length: 4 }, () => app.send(alice, stats));
    await becomes('unseen_requests_in_flight', 2);
    await becomes('unseen_waiting_requests', 2);
    const before = await metric('unseen_in_flight_refused_requests');
    const refused = await post(alice, badge);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    expect(await refused.json()).toMatchObject({
      errors: [{ extensions: { code: 'RATE_LIMITED', retryAfter: 1 } }],
    });
    expect(await metric('unseen_in_flight_refused_requests')).toBe(before + 1);
    expect((await app.send(bob, '{ viewer { userId } }')).status).toBe(200);
    slow?.end();
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    await becomes('unseen_requests_in_flight', 0);
  });

  it('of a service wait if the running operations have more than 1000 items together, while another user gets answers', async () => {
    const service = await app.token({ role: 'service', subject: 'bulk' });
    const sendNotifications = `mutation ($userIds: [ID!]!) {
      sendNotifications(input: { userIds: $userIds, content: { title: "x" } }) { accepted }
    }`;
    const to = (count: number) => ({ userIds: Array.from({ length: count }, (_, n) => `user ${n}`) });
    slowDown('default');
    const bulk = Array.from({ length: 3 }, () => app.send(service, sendNotifications, to(400)));
    await becomes('unseen_waiting_requests', 1);
    const small = app.send(service, sendNotifications, to(50));
    await becomes('unseen_requests_in_flight', 4);
    expect(await metric('unseen_waiting_requests')).toBe(1);
    expect((await app.send(await app.token({ subject: 'one' }), '{ viewer { userId } }')).status).toBe(200);
    slow?.end();
    const answers = await Promise.all([...bulk, small]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    await becomes('unseen_waiting_requests', 0);
  });

  it('end when the client disconnects', async () => {
    const token = await app.token({ subject: 'gone' });
    slowDown('default');
    const leaving = new AbortController();
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const sent = fetch(`${app.url}/graphql`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ query: stats }),
      signal: leaving.signal,
    }).catch(() => {});
    await becomes('unseen_requests_in_flight', 1);
    leaving.abort();
    await sent;
    slow?.end();
    await becomes('unseen_requests_in_flight', 0);
  });

  it('include starting subscriptions, so that 2 of 12 subscriptions wait for a free place', async () => {
    slowDown('default');
    // A user may start five subscriptions at a time for each operation that may run at a time. Here the limit
    // is 10, so 2 of the 12 subscriptions wait.
    const client = app.client(await app.token({ subject: 'watcher' }));
    const kinds: string[] = [];
    for (let n = 0; n < 12; n += 1) {
      client.subscribe<{ badgeChanged: { kind: string } }>(
        { query: 'subscription { badgeChanged { kind } }' },
        {
          next: ({ data }) => kinds.push(data?.badgeChanged.kind ?? ''),
          error: (error) => kinds.push(JSON.stringify(error)),
          complete() {},
        },
      );
    }
    await becomes('unseen_waiting_requests', 2);
    slow?.end();
    await vi.waitFor(() => expect(kinds).toEqual(Array(12).fill('SNAPSHOT')), 15_000);
  });
});

describe('points', () => {
  it('are charged for the items of a bulk call, and the refusal says when to try again', async () => {
    const token = await app.token({ subject: 'bulk' });
    // A request costs 1 point, plus 1 point per 5 items.
    expect((await post(token, recordPageViews, views(40))).status).toBe(200);
    expect((await post(token, recordPageViews, views(40))).status).toBe(200);
    const refused = await post(token, recordPageViews, views(40));
    expect(refused.status).toBe(429);
    const { errors } = (await refused.json()) as { errors: [{ extensions: { retryAfter: number } }] };
    const { retryAfter } = errors[0].extensions;
    expect(refused.headers.get('retry-after')).toBe(String(retryAfter));
    // The user lacks 7 points, or fewer if the machine is slow.
    expect([1, 2]).toContain(retryAfter);
  });

  it('never suffice for a call that costs more than the maximum, and the error says so', async () => {
    const answer = await app.send(await app.token({ subject: 'huge' }), recordPageViews, views(100));
    expect(answer.status).toBe(400);
    expect(answer.errors?.[0]).toMatchObject({
      message:
        'The operation costs 21 points, but RATE_LIMIT_PER_USER allows at most 20 at once. Select less, or send fewer items.',
      extensions: { code: 'QUERY_TOO_COMPLEX' },
    });
  });

  it('are charged for the cost of a query with each media type of the answer', async () => {
    const query = `{ viewer { ${['a', 'b', 'c', 'd', 'e', 'f'].map((name) => `${name}: stats { sessionCount }`).join(' ')} } }`;
    const ask = (token: string, accept: string) =>
      fetch(`${app.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, accept },
        body: JSON.stringify({ query }),
      });
    for (const accept of ['application/json', 'application/graphql-response+json']) {
      const token = await app.token({ subject: accept });
      expect((await ask(token, accept)).headers.get('ratelimit')).toMatch(/^"user";r=[3-8];t=1$/);
      const refused = await ask(token, accept);
      expect(refused.status).toBe(429);
      expect(refused.headers.get('retry-after')).toMatch(/^[1-9]$/);
    }
  });
});

describe('RateLimit fields', () => {
  it.each([
    ['an answer', badge, 200],
    ['a refused document', '{ nothing }', 400],
  ])('are in the headers of %s', async (_, query, status) => {
    const response = await post(await app.token({ subject: `fields ${status}` }), query);
    expect(response.status).toBe(status);
    expect(response.headers.get('ratelimit-policy')).toBe('"user";q=20;w=5');
    expect(response.headers.get('ratelimit')).toMatch(/^"user";r=(19|20);t=[01]$/);
  });

  it('are missing if no limit applies to the caller', async () => {
    const response = await post(await app.token({ role: 'service' }), '{ __typename }');
    expect(response.status).toBe(200);
    expect(response.headers.has('ratelimit')).toBe(false);
  });
});

it('a request that selects the same stats twice queries them once', async () => {
  const token = await app.token({ subject: 'twice' });
  const before = statsQueries;
  const query = `{ viewer {
    a: stats { sessionCount } b: stats { pageViewCount }
    c: stats(window: { days: 3 }) { sessionCount } d: stats(window: { days: 3 }) { sessionCount }
  } }`;
  const { data } = await app.send(token, query);
  expect(data).toEqual({
    viewer: {
      a: { sessionCount: 0 },
      b: { pageViewCount: 0 },
      c: { sessionCount: 0 },
      d: { sessionCount: 0 },
    },
  });
  expect(statsQueries).toBe(before + 2);
});

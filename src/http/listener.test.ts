import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import { createExecution } from '../graphql/engine/execute.ts';
import { createOperations } from '../graphql/engine/operation.ts';
import { createResolvers, getSchema } from '../graphql/schema.ts';
import { silent } from '../ports/logger.ts';
import { startTestApp, type TestApp } from '../testing/app.ts';
import { exchange } from '../testing/bad-input.ts';
import { createGraphQLOverHttp } from './graphql-http.ts';
import { createGraphQLOverWebSocket, type GraphQLOverWebSocket } from './graphql-ws.ts';
import { createInFlight } from './in-flight.ts';
import { createListener, type Listener } from './listener.ts';
import { createMetrics } from './metrics.ts';
import { createRateLimit } from './rate-limit.ts';
import { defaultSocketLimits } from './socket-limits.ts';

// A second listener, which uses the parts of the app but has no resolvers. Its limits are short, so that no
// test waits.
const origin = 'https://app.example';
let app: TestApp;
let listener: Listener;
let sockets: GraphQLOverWebSocket;
let url: string;
beforeAll(async () => {
  app = await startTestApp({ CORS_ORIGINS: origin });
  const schema = getSchema();
  const operations = createOperations(schema, { introspection: true });
  const execution = createExecution({ operations, logger: silent });
  const { authenticator } = app.runtime.backends;
  const container = createResolvers({} as Parameters<typeof createResolvers>[0]);
  const rateLimit = createRateLimit({ perUser: 0, perService: 0, perAddress: 0 });
  const inFlight = createInFlight(app.config.inFlight);
  const endpoints = { schema, container, authenticator, execution, rateLimit, inFlight, logger: silent };
  sockets = createGraphQLOverWebSocket(endpoints, {
    ...defaultSocketLimits,
    initWaitMs: 60_000,
    maxWaiting: 3,
    pingMs: 100,
    pongWaitMs: 100,
    heartbeatMs: 20,
  });
  listener = createListener(
    {
      endpoints: {
        graphql: await createGraphQLOverHttp(endpoints),
        sockets,
        demo: async () => ({ token: '' }),
        pages: async () => false,
      },
      isReady: async () => ['store'],
      metrics: createMetrics([
        { name: 'unseen_good', help: 'x', read: () => 7 },
        { name: 'unseen_bad', help: 'x', read: () => Promise.reject(new Error('away')) },
      ]),
      corsOrigins: [],
      logger: silent,
    },
    { headersMs: 200, requestMs: 400, checkMs: 20 },
  );
  ({ url } = await listener.listen('127.0.0.1', 0));
  listener.open();
});
afterAll(async () => {
  await listener.drain(1_000);
  await app.stop();
});

it('/metrics leaves out the gauges that cannot be read', async () => {
  const response = await fetch(`${url}/metrics`);
  expect(response.headers.get('content-type')).toContain('text/plain');
  const text = await response.text();
  expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
  expect(text).toMatch(/^unseen_good 7$/m);
  expect(text).not.toMatch(/^unseen_bad/m);
});

it('the server closes both sides of a connection after a refused upgrade, so that no client prevents the process from ending', async () => {
  const workerOnly = createListener({
    endpoints: undefined,
    isReady: async () => [],
    metrics: createMetrics([]),
    corsOrigins: [],
    logger: silent,
  });
  const { url: workerUrl } = await workerOnly.listen('127.0.0.1', 0);
  const client = connect({ port: Number(new URL(workerUrl).port), host: '127.0.0.1', allowHalfOpen: true });
  let answer = '';
  client.on('data', (chunk) => {
    answer += chunk;
  });
  const ended = new Promise((resolve) => client.once('end', resolve));
  client.write('GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  await ended;
  expect(answer).toMatch(/^HTTP\/1\.1 404 /);
  // The client does not close its side of the connection.
  await workerOnly.drain(60_000);
  client.destroy();
});

describe('a slow client', () => {
  const head = 'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  const slow: [what: string, bytes: () => Promise<string>][] = [
    ['half of its headers', async () => head],
    [
      'half of a body',
      async () => `${head}Authorization: Bearer ${await app.token()}\r\nContent-Length: 100\r\n\r\n{`,
    ],
    [
      'half of a chunk',
      async () =>
        `${head}Authorization: Bearer ${await app.token()}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{`,
    ],
  ];
  it.each(slow)('gets 408 and is disconnected if it sends %s', async (_, bytes) => {
    expect(await exchange(url, await bytes())).toMatch(/^HTTP\/1.1 408 /);
  });

  it('does not disturb the server if it disconnects in the middle of a body', async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(`${head}Authorization: Bearer ${await app.token()}\r\nContent-Length: 100\r\n\r\n{`);
    socket.destroy();
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });
});

describe('a silent socket', () => {
  const open = async (autoPong = true) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
      autoPong,
    });
    await new Promise((resolve) => socket.once('open', resolve));
    return socket;
  };

  it('is terminated if its client answers no ping, and stays open if its client answers', async () => {
    const alive = await open(true);
    const dead = await open(false);
    const code = await new Promise((resolve) => dead.once('close', resolve));
    expect(code).toBe(1006);
    await vi.waitFor(() => expect(sockets.count()).toBe(1));
    expect(alive.readyState).toBe(alive.OPEN);
    alive.close();
    await vi.waitFor(() => expect(sockets.count()).toBe(0));
  });

  it('is closed if it is the oldest of too many sockets without connection_init, but never after connection_ack', async () => {
    const admitted = await open();
    const authorization = await app.token();
    admitted.send(JSON.stringify({ type: 'connection_init', payload: { authorization } }));
    await new Promise((resolve) => admitted.once('message', resolve));
    const oldest = await open();
    const closed = new Promise((resolve) =>
      oldest.once('close', (code, reason) => resolve([code, String(reason)])),
    );
    const others = [await open(), await open(), await open()];
    expect(await closed).toEqual([4290, 'Too many sockets wait for connection_init']);
    const left = [admitted, ...others];
    expect(left.map(({ readyState }) => readyState)).toEqual(left.map(() => WebSocket.OPEN));
    for (const socket of left) socket.close();
    await vi.waitFor(() => expect(sockets.count()).toBe(0));
  });
});

describe('the health checks and pages', () => {
  it('report that the process runs, and that it is ready only if every backend is ready', async () => {
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    const notReady = await fetch(`${url}/readyz`);
    expect([notReady.status, await notReady.json()]).toEqual([
      503,
      { status: 'not ready', missing: ['store'] },
    ]);
    expect((await fetch(`${app.url}/readyz`)).status).toBe(200);
  });

  it.each(['/healthz', '/playground', '/demo'])(
    'answer a HEAD request for %s without a body',
    async (path) => {
      const response = await fetch(app.url + path, { method: 'HEAD' });
      expect([response.status, await response.text()]).toEqual([200, '']);
    },
  );
});

describe('CORS', () => {
  const preflight = {
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization',
  };

  it('lets the pages of a configured origin send requests and read answers', async () => {
    const asked = await fetch(`${app.url}/graphql`, { method: 'OPTIONS', headers: { origin, ...preflight } });
    expect(asked.status).toBe(204);
    expect(Object.fromEntries(asked.headers)).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': expect.stringContaining('authorization'),
      vary: 'origin',
    });
    const answered = await fetch(`${app.url}/graphql`, { method: 'POST', headers: { origin } });
    // The page can also read an answer that refuses the request. Otherwise it would not know the reason.
    expect(answered.status).toBe(401);
    expect(answered.headers.get('access-control-allow-origin')).toBe(origin);
    expect(answered.headers.has('access-control-allow-credentials')).toBe(false);
  });

  it.each(['https://evil.example', 'null', `${origin}.evil.example`, 'http://app.example'])(
    'lets no page of the origin %s read an answer',
    async (foreignOrigin) => {
      for (const method of ['OPTIONS', 'POST']) {
        const { headers } = await fetch(`${app.url}/graphql`, {
          method,
          headers: { origin: foreignOrigin, ...preflight },
        });
        expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
      }
    },
  );
});

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { exchange, goodBody, internals, type Probe, startProbe } from '../testing/bad-input.ts';

let probe: Probe;
beforeAll(async () => {
  probe = await startProbe();
});
afterEach(() => probe.expectUnharmed());
afterAll(() => probe.app.stop());

/** A body of exactly `bytes` bytes. */
const padded = (bytes: number, query: string) => {
  const start = `{"query":${JSON.stringify(query)},"extensions":{"padding":"`;
  return `${start}${'x'.repeat(bytes - start.length - 3)}"}}`;
};

const countless = 'mutation { upsertUsers(input: { users: [] }) { createdCount userErrors { code } } }';

describe('the server', () => {
  const bodies: [what: string, body: string | Uint8Array, status: number, code: string][] = [
    ['nothing', '', 400, 'BAD_USER_INPUT'],
    ['an empty object', '{}', 400, 'BAD_USER_INPUT'],
    ['a list, as in batching', `[${goodBody}]`, 400, 'BAD_USER_INPUT'],
    ['null', 'null', 400, 'BAD_USER_INPUT'],
    ['half a body', goodBody.slice(0, 10), 400, 'BAD_USER_INPUT'],
    ['a byte order mark', `\ufeff${goodBody}`, 400, 'BAD_USER_INPUT'],
    [
      'bytes that are not UTF-8',
      Buffer.from(goodBody.replace('viewer', '\xff'), 'latin1'),
      400,
      'BAD_USER_INPUT',
    ],
    ['100 000 nested lists', '['.repeat(100_000) + ']'.repeat(100_000), 400, 'BAD_USER_INPUT'],
    ['100 000 levels never closed', '{"query":'.repeat(100_000), 400, 'BAD_USER_INPUT'],
    ['a query that is a number', '{"query":7}', 400, 'BAD_USER_INPUT'],
    ['a query that is an object', '{"query":{"kind":"Document"}}', 400, 'BAD_USER_INPUT'],
    ['no query', '{"variables":{}}', 400, 'BAD_USER_INPUT'],
    ['variables that are a list', '{"query":"{viewer{id}}","variables":[]}', 400, 'BAD_USER_INPUT'],
    [
      'a persisted query',
      '{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"a"}}}',
      400,
      'BAD_USER_INPUT',
    ],
    ['one byte more than 100 000', padded(100_001, '{ viewer { id } }'), 413, 'PAYLOAD_TOO_LARGE'],
    ['bulk, one byte more than 1 000 000', padded(1_000_001, countless), 413, 'PAYLOAD_TOO_LARGE'],
    ['20 million bytes', padded(20_000_000, countless), 413, 'PAYLOAD_TOO_LARGE'],
  ];
  it.each(bodies)('answers a body of %s with the right status', async (_, body, status, code) => {
    expect(await probe.request(body)).toMatchObject({ status, code });
  });

  const headers: [what: string, headers: Record<string, string>][] = [
    ['text', { 'content-type': 'text/plain' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['an upload', { 'content-type': 'multipart/form-data; boundary=x' }],
    ['another type that resembles JSON', { 'content-type': 'application/json-patch+json' }],
    ['UTF-16', { 'content-type': 'application/json; charset=utf-16' }],
    ['Latin-1 in broken quotes', { 'content-type': 'application/json; charset="latin1;x' }],
    ['compressed', { 'content-encoding': 'gzip' }],
  ];
  it.each(headers)('refuses a body that is %s, after reading only the headers', async (_, headers) => {
    expect(await probe.request(goodBody, { headers })).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' });
  });

  it('accepts a body of exactly 100 000 bytes, and of 1 000 000 bytes for a bulk mutation', async () => {
    expect(await probe.request(padded(100_000, '{ viewer { id } }'))).toMatchObject({ status: 200 });
    const toNobody =
      'mutation { sendNotifications(input: { userIds: [], content: { title: "x" } }) { accepted userErrors { code } } }';
    for (const bulk of [countless, toNobody]) {
      const reply = await probe.request(padded(1_000_000, bulk), { token: probe.service });
      expect(reply).toMatchObject({ status: 200, code: 'INVALID_INPUT' });
    }
  });

  it('accepts every spelling of JSON and UTF-8 in Content-Type', async () => {
    for (const type of ['application/json;charset=UTF-8', 'Application/JSON ; charset="utf8"']) {
      expect(await probe.request(goodBody, { headers: { 'content-type': type } })).toMatchObject({
        status: 200,
      });
    }
  });

  it('answers JSON to a client that accepts neither media type, because the operation has already run', async () => {
    const reply = await probe.request(goodBody, { headers: { accept: 'text/xml' } });
    expect(reply).toMatchObject({ status: 200, json: { data: { viewer: { userId: 'alice' } } } });
  });

  const openInbox = encodeURIComponent('mutation { openInbox(input: {}) { badge { unseen } } }');
  const query = encodeURIComponent('{ viewer { userId } }');
  const methods: [what: string, method: string, path: string, status: number, allow: string | null][] = [
    ['a mutation by GET', 'GET', `/graphql?query=${openInbox}`, 405, 'POST'],
    ['no query by GET', 'GET', '/graphql', 400, null],
    ['two queries by GET', 'GET', `/graphql?query=${query}&query=${query}`, 400, null],
    ['variables by GET that are not JSON', 'GET', `/graphql?query=${query}&variables={`, 400, null],
    ['HEAD', 'HEAD', '/graphql', 405, 'GET, POST, OPTIONS'],
    ['PUT', 'PUT', '/graphql', 405, 'GET, POST, OPTIONS'],
    ['DELETE', 'DELETE', '/graphql', 405, 'GET, POST, OPTIONS'],
    ['POST to a page', 'POST', '/demo', 405, 'GET, HEAD'],
    ['POST to a health check', 'POST', '/healthz', 405, 'GET, HEAD'],
  ];
  it.each(methods)('refuses %s', async (_, method, path, status, allow) => {
    const reply = await probe.request(undefined, { method, path });
    expect(reply.status).toBe(status);
    expect(reply.headers.get('allow')).toBe(allow);
  });

  it('answers a query by GET only if the request has a header that pages of other sites cannot set', async () => {
    expect(await probe.request(undefined, { method: 'GET', path: `/graphql?query=${query}` })).toMatchObject({
      status: 200,
    });
    const response = await fetch(`${probe.app.url}/graphql?query=${query}`, {
      headers: { authorization: `Bearer ${probe.alice}` },
    });
    expect(response.status).toBe(400);
  });

  it('redirects a browser from /graphql to the playground and keeps the query', async () => {
    const reply = await probe.request(undefined, {
      method: 'GET',
      path: '/graphql?query=%7Bviewer%7D',
      headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' },
    });
    expect(reply.status).toBe(302);
    expect(reply.headers.get('location')).toBe('/playground?query=%7Bviewer%7D');
  });

  it('lets no page of another origin read an answer if CORS_ORIGINS is not set', async () => {
    for (const method of ['OPTIONS', 'POST']) {
      const reply = await probe.request(method === 'POST' ? goodBody : undefined, {
        method,
        headers: { origin: 'https://evil' },
      });
      expect([...reply.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
  });

  // biome-ignore format: one long list
  const paths = [
    '/nothing', '/graphql/', '/graphqlx', '//', '/.env', '/package.json', '/__proto__', '/constructor', '/assets/',
    '/assets/%', '/assets/%00', '/assets/nothing.js', '/assets/..%2f..%2fpackage.json',
    '/assets/%2e%2e/%2e%2e/package.json', '/playground/index.html', '/demo/../../package.json',
  ];
  it.each(paths)('answers 404 at %s', async (path) => {
    expect(await probe.request(undefined, { method: 'GET', path })).toMatchObject({ status: 404 });
  });
});

describe('bytes on a socket', () => {
  const post = (headers: string, body: string) =>
    `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer ${probe.alice}\r\n${headers}\r\n\r\n${body}`;
  const get = (target: string, headers = '') =>
    `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n`;
  const chunked = 'Transfer-Encoding: chunked';
  const sent: [what: string, bytes: () => string, expected: RegExp][] = [
    ['a length shorter than the body', () => post('Content-Length: 10', goodBody), /^HTTP\/1.1 400 /],
    ['a length that is no number', () => post('Content-Length: ten', goodBody), /^HTTP\/1.1 400 /],
    ['a length below zero', () => post('Content-Length: -1', goodBody), /^HTTP\/1.1 400 /],
    ['two lengths', () => post('Content-Length: 5\r\nContent-Length: 6', goodBody), /^HTTP\/1.1 400 /],
    ['a length and chunks', () => post(`Content-Length: 5\r\n${chunked}`, '0\r\n\r\n'), /^HTTP\/1.1 400 /],
    ['a chunk without a size', () => post(chunked, 'zz\r\n'), /^HTTP\/1.1 400 /],
    [
      'chunks without an end',
      () => post(chunked, `10000\r\n${'x'.repeat(65_536)}\r\n`.repeat(40)),
      /^HTTP\/1.1 413 /,
    ],
    [
      'a body that is too large for 100-continue',
      () => post('Expect: 100-continue\r\nContent-Length: 3000000', ''),
      /HTTP\/1.1 413 /,
    ],
    ['no HTTP', () => 'hello\r\n\r\n', /^HTTP\/1.1 400 /],
    ['no host', () => 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n', /^HTTP\/1.1 400 /],
    [
      'a control character in the path',
      () => get('/graphql?\x01', 'Accept: text/html\r\n'),
      /^HTTP\/1.1 400 /,
    ],
    ['20 000 bytes of headers', () => get('/healthz', `X: ${'x'.repeat(20_000)}\r\n`), /^HTTP\/1.1 431 /],
    ['a path that leaves the assets', () => get('/assets/../../../package.json'), /^HTTP\/1.1 404 /],
    [
      'an upgrade to an unsupported protocol',
      () => get('/graphql', 'Upgrade: h2c\r\nConnection: Upgrade\r\n'),
      /^HTTP\/1.1 4/,
    ],
    [
      'an upgrade at another path',
      () => get('/demo', 'Upgrade: websocket\r\nConnection: Upgrade\r\n'),
      /^HTTP\/1.1 404 /,
    ],
  ];
  it.each(sent)('are refused, and the server closes the socket: %s', async (_, bytes, expected) => {
    const answer = await exchange(probe.app.url, bytes());
    expect(answer).toMatch(expected);
    expect(answer).not.toMatch(internals);
  });

  it('are answered in order if they contain several requests', async () => {
    const length = `Content-Length: ${goodBody.length}`;
    const answer = await exchange(
      probe.app.url,
      post(length, goodBody) + post(length, '{}'.padEnd(goodBody.length)) + get('/healthz'),
    );
    expect([...answer.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status)).toEqual([
      '200',
      '400',
      '200',
    ]);
  });
});

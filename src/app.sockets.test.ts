// @module-tag end-to-end
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import type { PubSub } from './ports/pub-sub.ts';
import { isScaled, startTestApp, type TestApp } from './testing/app.ts';
import { internals, many, shown, tables } from './testing/bad-input.ts';

const watchBadge = 'subscription { badgeChanged { kind badge { unseen } } }';
const protocol = 'graphql-transport-ws';

interface Message {
  readonly type: string;
  readonly id?: string;
  readonly payload?: unknown;
}

/** A client that can violate the protocol. */
interface Peer {
  readonly socket: WebSocket;
  readonly received: Message[];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  send(message: unknown): void;
  /** Waits for a message of this type. If `id` is given, the message must also have this id. */
  message(type: string, id?: string): Promise<Message>;
}

let app: TestApp;
let alice: string;
let service: string;
/** The number of open pub/sub subscriptions of all sockets. */
let listening = 0;
let isStarted = false;
const peers: Peer[] = [];

beforeAll(async () => {
  app = await startTestApp(
    {},
    {
      wrap: (runtime) => {
        const backends = { ...runtime.backends, pubSub: counted(runtime.backends.pubSub) };
        return { ...runtime, backends };
      },
    },
  );
  isStarted = true;
  alice = await app.token();
  service = await app.token({ role: 'service', subject: 'shop' });
  await app.send(alice, '{ viewer { id } }');
});
afterAll(() => app.stop());

function counted(pubSub: PubSub): PubSub {
  return {
    ...pubSub,
    subscribe(topics, listener) {
      const { confirmed, end } = pubSub.subscribe(topics, listener);
      let isSubscribed = true;
      // The program keeps its own subscriptions until it stops, so they are not counted.
      if (!isStarted) return { confirmed, end };
      listening += 1;
      return {
        confirmed,
        end() {
          if (isSubscribed) listening -= 1;
          isSubscribed = false;
          end();
        },
      };
    },
  };
}

async function connect(subprotocol: string | string[] = protocol, url = app.url): Promise<Peer> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, subprotocol);
  const received: Message[] = [];
  socket.on('message', (data) => received.push(JSON.parse(String(data))));
  // Writing may fail while the server closes the socket.
  socket.on('error', () => {});
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: String(reason) }));
  });
  await new Promise((resolve) => socket.once('open', resolve));
  const peer: Peer = {
    socket,
    received,
    closed,
    send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    message: (type, id) =>
      vi.waitFor(
        () => {
          const found = received.find((one) => one.type === type && (id === undefined || one.id === id));
          if (!found) throw new Error(`no ${type} yet: ${JSON.stringify(received)}`);
          return found;
        },
        { interval: 5, timeout: 5_000 },
      ),
  };
  peers.push(peer);
  return peer;
}

/** Opens a socket and waits for the acknowledgement. */
async function enter(token = alice): Promise<Peer> {
  const peer = await connect();
  peer.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
  await peer.message('connection_ack');
  return peer;
}

const subscribe = (id: string, query = watchBadge, more: object = {}) => ({
  id,
  type: 'subscribe',
  payload: { query, ...more },
});

const twice = (act: () => void) => {
  act();
  act();
};

/** Calls `act` ten times per millisecond while the socket is open. */
function endlessly(peer: Peer, act: () => void): void {
  if (peer.socket.readyState !== peer.socket.OPEN) return;
  for (let time = 0; time < 10; time += 1) act();
  setTimeout(() => endlessly(peer, act), 1);
}

const allUnsubscribed = () => vi.waitFor(() => expect(listening).toBe(0), { interval: 5, timeout: 5_000 });

const snapshot = { data: { badgeChanged: { kind: 'SNAPSHOT', badge: { unseen: 0 } } } };

// Checks after each test that no error reveals internals, that every pub/sub subscription has ended, and that
// the server accepts a new socket.
afterEach(async () => {
  for (const { socket, received, closed } of peers.splice(0)) {
    socket.terminate();
    const { reason } = await closed;
    const errors = received.filter(
      ({ type, payload }) => type === 'error' || JSON.stringify(payload)?.includes('"errors"'),
    );
    expect(JSON.stringify(errors) + reason).not.toMatch(internals);
  }
  await allUnsubscribed();
  const peer = await enter();
  peer.send(subscribe('again'));
  expect(await peer.message('next')).toMatchObject({ payload: snapshot });
  peers.pop();
  peer.socket.close();
  await peer.closed;
  await allUnsubscribed();
});

describe('the server', () => {
  const before: [what: string, code: number, act: (peer: Peer) => void][] = [
    ['subscribes before the acknowledgement', 4401, (peer) => peer.send(subscribe('1'))],
    ['sends invalid JSON', 4400, (peer) => peer.send('hello')],
    ['sends null', 4400, (peer) => peer.send('null')],
    ['sends a list', 4400, (peer) => peer.send([])],
    ['sends an unknown type', 4400, (peer) => peer.send({ type: 'constructor' })],
    ['sends 100 000 nested lists', 4400, (peer) => peer.send('['.repeat(60_000))],
    ['sends binary', 4400, (peer) => peer.socket.send(Buffer.from('{"type":"ping"}'))],
    [
      'sends more than 64 KiB',
      1009,
      (peer) => peer.send({ type: 'ping', payload: { a: 'x'.repeat(64 * 1024) } }),
    ],
    ['sends no token', 4401, (peer) => peer.send({ type: 'connection_init' })],
    [
      'sends an invalid token',
      4401,
      (peer) => peer.send({ type: 'connection_init', payload: { authorization: 'Bearer x' } }),
    ],
    [
      'sends a token that is not text',
      4401,
      (peer) => peer.send({ type: 'connection_init', payload: { authorization: ['x'] } }),
    ],
    [
      'hides a token in a prototype',
      4401,
      (peer) => peer.send(`{"type":"connection_init","payload":{"__proto__":{"authorization":"${alice}"}}}`),
    ],
  ];
  it.each(before)('closes a socket that %s, with the close code %d', async (_, code, act) => {
    const peer = await connect();
    act(peer);
    expect(await peer.closed).toMatchObject({ code });
  });

  const after: [what: string, code: number, act: (peer: Peer) => void][] = [
    ['sends connection_init twice', 4429, (peer) => peer.send({ type: 'connection_init' })],
    ['subscribes twice with one id', 4409, (peer) => twice(() => peer.send(subscribe('1')))],
    [
      'sends a message that only a server may send',
      4400,
      (peer) => peer.send({ id: '1', type: 'next', payload: {} }),
    ],
    ['subscribes with an id that is not text', 4400, (peer) => peer.send({ ...subscribe('1'), id: 7 })],
    ['subscribes without a query', 4400, (peer) => peer.send({ id: '1', type: 'subscribe', payload: {} })],
    ['sends pings without end', 4290, (peer) => endlessly(peer, () => peer.socket.ping())],
    ['sends pongs without end', 4290, (peer) => endlessly(peer, () => peer.socket.pong())],
    ['sends messages without end', 4290, (peer) => endlessly(peer, () => peer.send({ type: 'ping' }))],
  ];
  it.each(after)('closes a socket that %s, with the close code %d', async (_, code, act) => {
    const peer = await enter();
    act(peer);
    expect(await peer.closed).toMatchObject({ code });
  });

  it('closes a socket without a protocol with 4406, and does not open a socket with another protocol', async () => {
    const peer = await connect([]);
    expect(await peer.closed).toMatchObject({ code: 4406 });
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-ws');
    const error = await new Promise<Error>((resolve) => socket.once('error', resolve));
    expect(error.message).toBe('Server sent no subprotocol');
  });

  it('closes a socket that sends no connection_init within 3 s, with the close code 4408', async () => {
    const peer = await connect();
    const since = performance.now();
    expect(await peer.closed).toMatchObject({ code: 4408 });
    expect(performance.now() - since).toBeGreaterThan(2_900);
    expect(performance.now() - since).toBeLessThan(6_000);
  });

  it('closes a socket that sends a message in 100 000 pieces', async () => {
    const { socket, closed } = await enter();
    for (let piece = 0; piece < 100_000 && socket.readyState === socket.OPEN; piece += 1) {
      socket.send('x', { fin: piece === 99_999 });
    }
    expect(await closed).toMatchObject({ code: 1008 });
  });

  it('cuts a socket that sends pings and does not read, without a close frame', async () => {
    const { socket, send, closed } = await enter();
    socket.pause();
    for (let ping = 0; ping < 190; ping += 1) send({ type: 'ping', payload: { a: 'x'.repeat(60_000) } });
    await vi.waitFor(() => expect(socket.bufferedAmount).toBe(0), 5_000);
    socket.resume();
    expect(await closed).toMatchObject({ code: 1006 });
  });

  it('closes a socket with 4403 if the token expires before or after the socket opens', async () => {
    const late = await connect();
    late.send({ type: 'connection_init', payload: { authorization: await app.token({ expiresIn: '-1m' }) } });
    expect(await late.closed).toEqual({ code: 4403, reason: 'The token has expired.' });
    const peer = await enter(await app.token({ expiresIn: '2s' }));
    peer.send(subscribe('1'));
    await peer.message('next');
    expect(await peer.closed).toEqual({ code: 4403, reason: 'The token has expired.' });
  });

  it('closes the eleventh socket of a user with 4290, but allows a service eleven sockets', async () => {
    const ten = await Promise.all(Array.from({ length: 10 }, () => enter()));
    const eleventh = await connect();
    eleventh.send({ type: 'connection_init', payload: { authorization: alice } });
    expect(await eleventh.closed).toMatchObject({ code: 4290 });
    await enter(await app.token({ tenantId: 'other' }));
    await Promise.all(Array.from({ length: 11 }, () => enter(service)));
    ten[0]?.socket.terminate();
    await ten[0]?.closed;
    await vi.waitFor(() => enter());
  });

  it('closes every socket with 1012 when the server stops, even if a client does not respond', async () => {
    const other = await startTestApp();
    const peer = await connect(protocol, other.url);
    const deaf = await connect(protocol, other.url);
    peer.send({ type: 'connection_init', payload: { authorization: await other.token() } });
    await peer.message('connection_ack');
    peer.send(subscribe('1'));
    await peer.message('next');
    deaf.socket.pause();
    const stopped = other.stop();
    expect(await peer.closed).toEqual({ code: 1012, reason: 'Restarting' });
    await stopped;
    deaf.socket.resume();
    expect(await deaf.closed).toMatchObject({ code: 1012 });
  });

  it('closes a socket with 1013 while the server cannot verify the token', async () => {
    const other = await startTestApp({ AUTH_SECRET: '', AUTH_JWKS_URL: 'http://127.0.0.1:9/keys' });
    const token = `${Buffer.from('{"alg":"RS256"}').toString('base64url')}.e30.AAAA`;
    const peer = await connect(protocol, other.url);
    peer.send({ type: 'connection_init', payload: { authorization: token } });
    expect(await peer.closed).toEqual({ code: 1013, reason: 'Try again later' });
    expect(await other.send(token, '{ viewer { id } }')).toMatchObject({
      status: 503,
      errors: [{ extensions: { code: 'UNAVAILABLE' } }],
    });
    await other.stop();
  });
});

it('a socket treats names of Object.prototype like any other names', async () => {
  const query = `subscription ($constructor: [String!], $toString: ID) {
    badgeChanged(keys: $constructor, userId: $toString) { __proto__: kind valueOf: badge { __proto__: key } }
  }`;
  const peer = await enter();
  for (const id of ['__proto__', 'constructor']) {
    const payload = { query, variables: { constructor: ['items:constructor'] } };
    peer.send({ id, type: 'subscribe', payload });
    const { payload: pushed } = await peer.message('next', id);
    expect(JSON.stringify(pushed)).toBe(
      '{"data":{"badgeChanged":{"__proto__":"SNAPSHOT","valueOf":{"__proto__":"items:constructor"}}}}',
    );
  }
});

describe('an open socket', () => {
  const pages = many(6, (i) => `p${i}: explain(first: 100) { edges { node { reason } } }`);
  const doubling = many(38, (i) => `fragment F${i} on BadgeUpdate { ...F${i + 1} ...F${i + 1} }`);
  const operations: [what: string, query: string, code: string][] = [
    ['a syntax error', 'subscription {', 'BAD_USER_INPUT'],
    ['an unknown field', 'subscription { badgeMoved { kind } }', 'BAD_USER_INPUT'],
    ['a query', '{ viewer { id } }', 'BAD_USER_INPUT'],
    ['a mutation', 'mutation { openInbox(input: {}) { badge { id } } }', 'BAD_USER_INPUT'],
    [
      'two operations without an operationName',
      `${watchBadge.replace('n', 'n A')} query B { viewer { id } }`,
      'BAD_USER_INPUT',
    ],
    ['too many tokens', `subscription { badgeChanged { ${'kind '.repeat(1000)} } }`, 'BAD_USER_INPUT'],
    [
      'too many aliases',
      `subscription { badgeChanged { ${many(16, (i) => `k${i}: kind`)} } }`,
      'BAD_USER_INPUT',
    ],
    [
      'a fragment that contains itself',
      'subscription { badgeChanged { ...A } } fragment A on BadgeUpdate { ...A }',
      'BAD_USER_INPUT',
    ],
    [
      'two root fields',
      'subscription { a: badgeChanged { kind } b: badgeChanged { kind } }',
      'BAD_USER_INPUT',
    ],
    [
      'a subscription that costs too much',
      `subscription { badgeChanged { badge { ${pages} } } }`,
      'QUERY_TOO_COMPLEX',
    ],
    [
      'fragments that double 38 times',
      `subscription { badgeChanged { ...F0 } } ${doubling} fragment F38 on BadgeUpdate { kind }`,
      'QUERY_TOO_COMPLEX',
    ],
  ];
  it.each(operations)('gets an error for %s, and can subscribe afterwards', async (_, query, code) => {
    const peer = await enter();
    peer.send(subscribe('1', query));
    expect(await peer.message('error', '1')).toMatchObject({ payload: [{ extensions: { code } }] });
    peer.send(subscribe('1'));
    expect(await peer.message('next', '1')).toMatchObject({ payload: snapshot });
  });

  const values: [what: string, variables: unknown, code: string][] = [
    ['of another user', { userId: 'bob' }, 'FORBIDDEN'],
    ['of an invalid key', { keys: ['items:no such'] }, 'BAD_USER_INPUT'],
    ['of 101 keys', { keys: Array(101).fill('notifications') }, 'BAD_USER_INPUT'],
    ['of no keys', { keys: [] }, 'BAD_USER_INPUT'],
    ['of U+0000', { keys: ['\0'] }, 'BAD_USER_INPUT'],
    ['of a number that is too large for an id', { userId: 2 ** 53 }, 'BAD_USER_INPUT'],
  ];
  it.each(values)(
    'gets an error for the badge %s, and can subscribe afterwards',
    async (_, variables, code) => {
      const peer = await enter();
      const query =
        'subscription ($userId: ID, $keys: [String!]) { badgeChanged(userId: $userId, keys: $keys) { kind } }';
      peer.send(subscribe('1', query, { variables }));
      expect(await peer.message('next', '1')).toMatchObject({
        payload: { data: null, errors: [{ extensions: { code } }] },
      });
      await peer.message('complete', '1');
      peer.send(subscribe('2'));
      expect(await peer.message('next', '2')).toMatchObject({ payload: snapshot });
    },
  );

  it.each(shown(['\0', '\ud800', '', 'x'.repeat(129)]))(
    'gets an error if a service asks for the user %s',
    async (_, userId) => {
      const peer = await enter(service);
      const query = 'subscription ($userId: ID) { badgeChanged(userId: $userId) { kind } }';
      peer.send(subscribe('1', query, { variables: { userId } }));
      const expected = { payload: { errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] } };
      expect(await peer.message('next', '1')).toMatchObject(expected);
    },
  );

  it.each(shown(['constructor', '__proto__', 'toString', '\0', 'x'.repeat(1_000)]))(
    'can use the subscription id %s',
    async (_, id) => {
      const peer = await enter();
      peer.send(subscribe(id));
      expect(await peer.message('next', id)).toMatchObject({ payload: snapshot });
      peer.send({ type: 'complete', id });
      await allUnsubscribed();
    },
  );

  const byKeys = 'subscription ($keys: [String!]) { badgeChanged(keys: $keys) { kind } }';
  const nested = `${'['.repeat(30_000)}${']'.repeat(30_000)}`;
  it.each<[what: string, message: string | object, problem: RegExp]>([
    [
      'a document of more than 200 tokens',
      subscribe(
        '1',
        `subscription { badgeChanged { ${many(197, (n) => (n % 2 ? 'kind' : '__typename'))} } }`,
      ),
      /The document .* 200 tokens\. This document has 203/,
    ],
    [
      'variables of more than 16 000 characters',
      subscribe('1', byKeys, { variables: { keys: ['x'.repeat(16_000)] } }),
      /The variables .* 16000 characters/,
    ],
    [
      'variables that are nested too deep to serialize',
      `{"id":"1","type":"subscribe","payload":{"query":${JSON.stringify(byKeys)},"variables":{"keys":${nested}}}}`,
      /The variables .* 16000 characters/,
    ],
    ['an id of more than 1000 characters', subscribe('x'.repeat(1_001)), /The id .* 1000 characters/],
  ])('gets an error for %s, and can subscribe afterwards', async (_, message, problem) => {
    const peer = await enter();
    peer.send(message);
    expect(await peer.message('error')).toMatchObject({
      payload: [{ message: expect.stringMatching(problem), extensions: { code: 'BAD_USER_INPUT' } }],
    });
    expect(listening).toBe(0);
    peer.send(subscribe('2'));
    expect(await peer.message('next', '2')).toMatchObject({ payload: snapshot });
    peer.send({ type: 'complete', id: '2' });
    await allUnsubscribed();
  });

  it('gets a badge even if it sends variables that the operation does not declare', async () => {
    const peer = await enter();
    peer.send(
      `{"id":"1","type":"subscribe","payload":{"query":${JSON.stringify(watchBadge)},"variables":{"keys":${nested}}}}`,
    );
    expect(await peer.message('next', '1')).toMatchObject({ payload: snapshot });
    peer.send({ type: 'complete', id: '1' });
    await allUnsubscribed();
  });

  it('gets an error for the 21st open subscription, until one of the 20 subscriptions ends', async () => {
    const peer = await enter();
    for (let id = 1; id <= 21; id += 1) peer.send(subscribe(String(id)));
    expect(await peer.message('error', '21')).toMatchObject({
      payload: [{ extensions: { code: 'RATE_LIMITED' } }],
    });
    await peer.message('next', '20');
    expect(listening).toBe(20);
    peer.send({ type: 'complete', id: '1' });
    await vi.waitFor(() => expect(listening).toBe(19));
    peer.send(subscribe('22'));
    await peer.message('next', '22');
  });
});

describe('a pub/sub subscription ends', () => {
  it('when the client completes the subscription, closes the socket or cuts the socket, at any time', async () => {
    for (let round = 0; round < 20; round += 1) {
      const peer = await enter();
      peer.send(subscribe('1'));
      peer.send(subscribe('2'));
      // The client closes some sockets before it reads the snapshot, some during the read, and some after the
      // read.
      if (round % 4 === 0) await peer.message('next', '2');
      if (round % 4 === 1) await new Promise((resolve) => setImmediate(resolve));
      peer.send({ type: 'complete', id: '1' });
      if (round % 2 === 0) peer.socket.terminate();
      else peer.socket.close();
      await peer.closed;
    }
    await allUnsubscribed();
  });

  it('when the client completes a subscription and subscribes again with the same id in one packet', async () => {
    for (let round = 0; round < 5; round += 1) {
      const peer = await enter();
      const { _socket: tcp } = peer.socket as WebSocket & { _socket: import('node:net').Socket };
      tcp.cork();
      for (let time = 0; time < 3; time += 1) {
        peer.send(subscribe('1'));
        peer.send({ type: 'complete', id: '1' });
      }
      peer.send(subscribe('1'));
      tcp.uncork();
      peer.send(subscribe('2'));
      await peer.message('next', '2');
      peer.socket.terminate();
      await peer.closed;
    }
    await allUnsubscribed();
  });
});

it('no message over sockets has changed a row', async () => {
  const rows = await tables(app.connectionString);
  expect(Object.keys(rows).filter((name) => (rows[name]?.rows ?? 0) > 0)).toEqual([
    '_prisma_migrations',
    'app_user',
    'log_head',
    'log_in_use',
    ...(isScaled ? [] : ['log_position']),
  ]);
  expect(rows['app_user']?.rows).toBe(1);
});

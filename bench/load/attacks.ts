import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';

/** The server under attack. */
export interface Target {
  readonly url: string;
  tokenOf(subject: string, role?: string, tenantId?: string): Promise<string>;
  send(token: string, body: object): Promise<{ readonly status: number; readonly text: string }>;
}

/** Maps each status or close code to the number of answers with this code. */
type Counts = Record<string, number>;

export interface Attack {
  /** The users whose page views exist before the attack. */
  readonly users: readonly { readonly userId: string; readonly tenantId: string }[];
  /** Attacks until `performance.now()` reaches `endsAt`. */
  run(target: Target, endsAt: number): Promise<Counts>;
}

const mallory = { userId: 'mallory', tenantId: 'default' };
const twenty = Array.from({ length: 20 }, (_, n) => ({ userId: `mallory-${n}`, tenantId: 'default' }));

/** The windows differ, so that no two fields can share a query. */
const fourteenStats = Array.from(
  { length: 14 },
  (_, n) =>
    `a${n}: stats(window: { days: ${n + 7} }) { pageViewCount sessionCount topPages { name } byDay { date pageViewCount } }`,
).join(' ');
const ofViewer = { query: `{ viewer { ${fourteenStats} } }` };

/** Sends the next request as soon as the server has answered, on `connections` connections per token. */
async function loops(
  { send }: Target,
  endsAt: number,
  tokens: readonly string[],
  connections: number,
  bodyOf: (n: number) => object,
): Promise<Counts> {
  const counts: Counts = {};
  let n = 0;
  const loop = async (token: string) => {
    while (performance.now() < endsAt) {
      const { status } = await send(token, bodyOf(n++));
      counts[status] = (counts[status] ?? 0) + 1;
    }
  };
  await Promise.all(tokens.flatMap((token) => Array.from({ length: connections }, () => loop(token))));
  return counts;
}

const byUser = (connections: number, bodyOf: (n: number) => object): Attack => ({
  users: [mallory],
  run: async (target, endsAt) =>
    loops(target, endsAt, [await target.tokenOf('mallory')], connections, bodyOf),
});

/** Opens a socket, sends connection_init, and closes the socket. Resolves with the close code. */
function openAndClose(url: string, token: string): Promise<number> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  socket.on('open', () =>
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: token } })),
  );
  socket.on('message', () => socket.close(1000));
  socket.on('error', () => {});
  return new Promise((resolve) => socket.on('close', resolve));
}

const views = Array.from({ length: 500 }, (_, n) => ({ name: `page ${n}` }));
const recordPageViews =
  'mutation ($input: RecordPageViewsInput!) { recordPageViews(input: $input) { accepted } }';

/** Each fragment spreads the next fragment twice. */
const doubling = (depth: number, n: number) =>
  `{ viewer { ...F0 } } ${Array.from({ length: depth }, (_, i) => `fragment F${i} on User { ...F${i + 1} ...F${i + 1} }`).join(' ')} fragment F${depth} on User { userId } # ${n}`;

export const attacks: Readonly<Record<string, Attack>> = {
  /** No attack, as the baseline for comparisons. */
  nothing: {
    users: [mallory],
    async run(_, endsAt) {
      await delay(endsAt - performance.now());
      return {};
    },
  },
  /** One user sends 40 requests at a time with 14 stats each. */
  stats: byUser(40, () => ofViewer),
  /** Twenty users of a tenant send stats requests. Each user has a twentieth of the page views. */
  'stats-20-users': {
    users: twenty,
    run: async (target, endsAt) => {
      const tokens = await Promise.all(twenty.map(({ userId }) => target.tokenOf(userId)));
      return loops(target, endsAt, tokens, 10, () => ofViewer);
    },
  },
  /** A service of the tenant sends stats requests. */
  'stats-service': {
    users: [mallory],
    run: async (target, endsAt) => {
      const query = `{ user(userId: "mallory") { ${fourteenStats} } }`;
      return loops(target, endsAt, [await target.tokenOf('evil', 'service')], 100, () => ({ query }));
    },
  },
  /** Requests for 4 lists of 100 page views. */
  lists: byUser(40, () => ({
    query: `{ viewer { ${Array.from({ length: 4 }, (_, n) => `a${n}: pageViews(first: 100) { totalCount nodes { id name path occurredAt } }`).join(' ')} } }`,
  })),
  /** Small documents that the server has not seen before. */
  documents: byUser(40, (n) => ({ query: `{ viewer { a${n}: userId } }` })),
  doubling: byUser(40, (n) => ({ query: doubling(18, n) })),
  /** Calls with 500 views. */
  bulk: byUser(40, () => ({ query: recordPageViews, variables: { input: { views } } })),
  'bulk-service': {
    users: [mallory],
    run: async (target, endsAt) => {
      const input = { views: views.map((view) => ({ ...view, userId: 'mallory' })) };
      const body = { query: recordPageViews, variables: { input } };
      return loops(target, endsAt, [await target.tokenOf('evil', 'service')], 100, () => body);
    },
  },
  sockets: {
    users: [mallory],
    async run({ url, tokenOf }, endsAt) {
      const token = await tokenOf('mallory');
      const counts: Counts = {};
      const loop = async () => {
        while (performance.now() < endsAt) {
          const code = await openAndClose(url, token);
          counts[code] = (counts[code] ?? 0) + 1;
        }
      };
      await Promise.all(Array.from({ length: 20 }, loop));
      return counts;
    },
  },
  /** One token in twelve spellings. */
  tokens: {
    users: [mallory],
    async run(target, endsAt) {
      const [head = '', payload = '', signature = ''] = (await target.tokenOf('mallory')).split('.');
      const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
      // The last character of a signature of 32 bytes has two unused bits.
      const last = alphabet.indexOf(signature.at(-1) as string) & ~3;
      const spellings = [0, 1, 2, 3].flatMap((bits) =>
        ['', '=', '=='].map(
          (padding) => `${head}.${payload}.${signature.slice(0, -1)}${alphabet[last + bits]}${padding}`,
        ),
      );
      return loops(target, endsAt, spellings, 4, () => ({ query: '{ viewer { userId } }' }));
    },
  },
};

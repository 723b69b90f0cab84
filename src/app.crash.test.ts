import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import { signToken } from './adapters/jwt/authenticator.ts';
import { startEmbeddedPostgres } from './adapters/postgres/embedded.ts';
import { connectionStringOf, withClient } from './testing/postgres-server.ts';
import { drift } from './testing/recount.ts';

const secret = 'a-secret-for-tests-of-at-least-32-characters';
const patience = { timeout: 30_000, interval: 20 };

let dataDir: string;
let port: number;
let program: Program | undefined;
beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'unseen-crash-'));
  port = await freePort();
});
afterEach(async () => {
  if (program?.isRunning()) await program.end('SIGTERM');
  program = undefined;
  rmSync(dataDir, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: free } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return free;
}

interface Program {
  readonly pid: number;
  isRunning(): boolean;
  /** What it has logged so far. */
  log(): string;
  /** Sends a signal and resolves with the exit code, null after a kill. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Starts the real program on the data directory; resolves when it is ready. */
async function start(): Promise<Program> {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts', 'start'], {
    env: {
      PATH: process.env['PATH'],
      PORT: String(port),
      DATA_DIR: dataDir,
      AUTH_SECRET: secret,
      LOG_LEVEL: 'info',
    },
  });
  let log = '';
  let banner = '';
  child.stdout?.on('data', (chunk) => {
    log += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    banner += chunk;
  });
  const exited = once(child, 'close') as Promise<[number | null]>;
  const started: Program = {
    pid: child.pid as number,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    log: () => log,
    async end(signal) {
      child.kill(signal);
      return (await exited)[0];
    },
  };
  program = started;
  await vi.waitFor(() => {
    if (!started.isRunning()) throw new Error(`the program ended: ${banner} ${log}`);
    expect(banner).toContain('is ready after');
  }, patience);
  return started;
}

const users = Array.from({ length: 7 }, (_, n) => `user-${n}`);

const url = () => `http://127.0.0.1:${port}/graphql`;
const serviceToken = () =>
  signToken(secret, { subject: 'shop', role: 'service', tenantId: 'default', expiresIn: '1h' });

const recordPageView = `mutation ($input: RecordPageViewInput!) {
  done: recordPageView(input: $input) { id: eventId userErrors { code message } }
}`;
const sendNotification = `mutation ($input: SendNotificationInput!) {
  done: sendNotification(input: $input) { id: notificationId userErrors { code message } }
}`;

/** Something a client wants done once; sent with the same key until it is acknowledged. */
interface Wish {
  readonly kind: 'view' | 'notification';
  readonly userId: string;
  readonly query: string;
  readonly input: object;
}

function wishes(count: number, prefix: string): readonly Wish[] {
  return Array.from({ length: count }, (_, n) => {
    const userId = users[n % users.length] as string;
    const common = { userId, idempotencyKey: `${prefix}-${n}` };
    return n % 3 === 0
      ? {
          kind: 'notification',
          userId,
          query: sendNotification,
          input: { ...common, content: { title: `number ${n}` } },
        }
      : { kind: 'view', userId, query: recordPageView, input: { ...common, name: `page ${n % 5}` } };
  });
}

async function send(token: string, query: string, variables: object) {
  const response = await fetch(url(), {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  const text = await response.text();
  return { status: response.status, answer: JSON.parse(text) as Answer };
}

interface Answer {
  readonly data?: { readonly done: { readonly id: string | null; readonly userErrors: readonly unknown[] } };
  readonly errors?: readonly { readonly extensions: { readonly code: string } }[];
}

/** Clients that work through the wishes and try each again until it is acknowledged. */
function work(token: string, todo: readonly Wish[], clients: number) {
  const waiting = [...todo];
  const acknowledged: Wish[] = [];
  const refusals: unknown[] = [];
  let isStopped = false;
  const finished = Promise.all(
    Array.from({ length: clients }, async () => {
      for (let wish = waiting.shift(); wish && !isStopped; wish = waiting.shift()) {
        while (!isStopped) {
          const sent = await send(token, wish.query, { input: wish.input }).catch(() => undefined);
          const done = sent?.answer.data?.done;
          if (done?.id) {
            acknowledged.push(wish);
            break;
          }
          // Away and overloaded are for a while; anything else would be an answer that nobody should get.
          const code = sent?.answer.errors?.[0]?.extensions.code;
          if (sent && code !== 'UNAVAILABLE') refusals.push(sent);
          await delay(50);
        }
      }
    }),
  );
  return {
    acknowledged,
    refusals,
    finished,
    stop() {
      isStopped = true;
      return finished;
    },
  };
}

async function createUsers(token: string): Promise<void> {
  const upsert = `mutation ($input: UpsertUsersInput!) { upsertUsers(input: $input) { createdCount } }`;
  const { status } = await send(token, upsert, {
    input: { users: users.map((userId) => ({ userId, patch: {} })) },
  });
  expect(status).toBe(200);
}

/** Follows the badge of a user as a browser does: comes back by itself, and remembers what is on the screen. */
async function follow(userId: string) {
  const token = await signToken(secret, {
    subject: userId,
    role: 'user',
    tenantId: 'default',
    expiresIn: '1h',
  });
  const updates: {
    readonly kind: string;
    readonly badge: { readonly unseen: number; readonly version: number };
  }[] = [];
  const closeCodes: number[] = [];
  const client = createClient({
    url: url().replace('http', 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: Number.POSITIVE_INFINITY,
    // Also when nobody accepts the connection, which is no close event.
    shouldRetry: () => true,
    retryWait: () => delay(100),
    on: { closed: (event) => closeCodes.push((event as { code: number }).code) },
  });
  client.subscribe(
    { query: 'subscription { badgeChanged { kind badge { unseen version } } }' },
    {
      next: ({ data }) => updates.push(data?.['badgeChanged'] as (typeof updates)[number]),
      error() {},
      complete() {},
    },
  );
  // A client that is just trying to come back disposes of itself with the reason why it cannot.
  return { updates, closeCodes, dispose: () => Promise.resolve(client.dispose()).catch(() => {}) };
}

/** The data directory as it is when the program is gone: what it holds, and whether it agrees with itself. */
async function audit() {
  const embedded = await startEmbeddedPostgres({ dataDir });
  try {
    return await withClient(connectionStringOf(embedded.connection), async (client) => {
      const query = async <Row extends object>(sql: string, values: readonly unknown[] = []) =>
        (await client.query<Row>(sql, [...values])).rows;
      const rows = await query<{ user_id: string; views: number; notifications: number; unseen: number }>(
        `SELECT user_id,
           (SELECT count(*)::int FROM page_view WHERE user_id = wanted.user_id) AS views,
           (SELECT count(*)::int FROM notification WHERE user_id = wanted.user_id) AS notifications,
           coalesce((SELECT unseen FROM inbox WHERE user_id = wanted.user_id), 0) AS unseen
         FROM unnest($1::text[]) AS wanted (user_id)`,
        [users],
      );
      return {
        perUser: new Map(rows.map((row) => [row.user_id, row])),
        drift: await drift(query),
        deadLetters: await query('SELECT error_code, error_message FROM dead_letter'),
      };
    });
  } finally {
    await embedded.stop();
  }
}

/** What the API says of a user. */
async function countsOf(token: string, userId: string) {
  const query = `query ($userId: ID!) { user(userId: $userId) { badge { unseen } pageViews { totalCount } } }`;
  const { answer } = await send(token, query, { userId });
  const { user } = answer.data as unknown as {
    readonly user: {
      readonly badge: { readonly unseen: number };
      readonly pageViews: { readonly totalCount: number };
    };
  };
  return { notifications: user.badge.unseen, views: user.pageViews.totalCount };
}

/** How much of each kind was wished for a user. */
const countsIn = (done: readonly Wish[], userId: string) => {
  const own = done.filter((wish) => wish.userId === userId);
  const notifications = own.filter(({ kind }) => kind === 'notification').length;
  return { notifications, views: own.length - notifications };
};

/** Resolves when all of it is applied, as the API shows it. */
async function settled(token: string, done: readonly Wish[]): Promise<void> {
  for (const userId of users) {
    await vi.waitFor(
      async () => expect(await countsOf(token, userId)).toEqual(countsIn(done, userId)),
      patience,
    );
  }
}

/** Each acknowledged wish is stored, once, counted, and nothing else is. */
async function expectExactly(done: readonly Wish[]): Promise<void> {
  const found = await audit();
  for (const userId of users) {
    const { views, notifications } = countsIn(done, userId);
    expect(found.perUser.get(userId)).toEqual({
      user_id: userId,
      views,
      notifications,
      unseen: notifications,
    });
  }
  expect(found).toMatchObject({ drift: [], deadLetters: [] });
}

describe('the program', () => {
  it('keeps what it acknowledged and counts it once, however often it is killed', async () => {
    await start();
    const token = await serviceToken();
    await createUsers(token);
    const screen = await follow('user-0');
    const todo = wishes(600, 'kill');
    const clients = work(token, todo, 12);
    for (const enough of [100, 250, 420]) {
      await vi.waitFor(() => expect(clients.acknowledged.length).toBeGreaterThanOrEqual(enough), patience);
      expect(await program?.end('SIGKILL')).toBe(null);
      await start();
    }
    await clients.finished;
    expect(clients.refusals).toEqual([]);
    expect(clients.acknowledged).toHaveLength(todo.length);
    await settled(token, todo);

    // Who watched all the while sees the truth, and never saw an older state after a newer one.
    const unseen = todo.filter(({ kind, userId }) => kind === 'notification' && userId === 'user-0').length;
    await vi.waitFor(() => expect(screen.updates.at(-1)?.badge.unseen).toBe(unseen), patience);
    expect(screen.updates.filter(({ kind }) => kind === 'SNAPSHOT').length).toBeGreaterThan(1);
    const versions = screen.updates.map(({ badge }) => badge.version);
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    await screen.dispose();

    expect(await program?.end('SIGTERM')).toBe(0);
    await expectExactly(todo);
  }, 120_000);

  it('survives the death of its PostgreSQL without a restart, and loses nothing', async () => {
    const running = await start();
    const token = await serviceToken();
    await createUsers(token);
    const screen = await follow('user-0');
    const todo = wishes(450, 'postgres');
    const clients = work(token, todo, 12);
    for (const [enough, kill] of [
      [100, killPostmaster],
      [250, killAllOfPostgres],
    ] as const) {
      await vi.waitFor(() => expect(clients.acknowledged.length).toBeGreaterThanOrEqual(enough), patience);
      kill();
    }
    await clients.finished;
    expect(clients.refusals).toEqual([]);
    expect(running.isRunning()).toBe(true);
    await settled(token, todo);
    const unseen = todo.filter(({ kind, userId }) => kind === 'notification' && userId === 'user-0').length;
    await vi.waitFor(() => expect(screen.updates.at(-1)?.badge.unseen).toBe(unseen), patience);
    // The same socket all the while.
    expect(screen.updates.filter(({ kind }) => kind === 'SNAPSHOT')).toHaveLength(1);
    await screen.dispose();

    expect(await running.end('SIGTERM')).toBe(0);
    await expectExactly(todo);
  }, 120_000);

  it('told to stop answers every request under way, closes sockets with 1012 and exits with 0', async () => {
    const running = await start();
    const token = await serviceToken();
    await createUsers(token);
    const screen = await follow('user-0');
    await vi.waitFor(() => expect(screen.updates).toHaveLength(1), patience);
    const clients = work(token, wishes(100_000, 'load'), 8);
    const begun = wishes(10, 'begun').map((wish) => beginRequest(token, wish));
    await Promise.all(begun.map(({ isUnderWay }) => isUnderWay));
    await vi.waitFor(() => expect(clients.acknowledged.length).toBeGreaterThanOrEqual(100), patience);

    const ended = running.end('SIGTERM');
    await vi.waitFor(
      () => expect(running.log()).toContain('stopping: finishing what is under way'),
      patience,
    );
    const answers = await Promise.all(begun.map((one) => one.finish()));
    expect(await ended).toBe(0);
    expect(answers.map(({ status, answer }) => [status, answer.data?.done.userErrors])).toEqual(
      answers.map(() => [200, []]),
    );
    await vi.waitFor(() => expect(screen.closeCodes[0]).toBe(1012), patience);
    await screen.dispose();
    await clients.stop();
    expect(clients.refusals).toEqual([]);

    // What was acknowledged is in the log; the next start applies what this one did not.
    await start();
    const done = [...clients.acknowledged, ...begun.map(({ wish }) => wish)];
    for (const userId of users) {
      const { views, notifications } = countsIn(done, userId);
      await vi.waitFor(async () => {
        const counts = await countsOf(token, userId);
        expect(counts.views).toBeGreaterThanOrEqual(views);
        expect(counts.notifications).toBeGreaterThanOrEqual(notifications);
      }, patience);
    }
    expect(await program?.end('SIGTERM')).toBe(0);
    expect(await audit()).toMatchObject({ drift: [], deadLetters: [] });
  }, 120_000);
});

const postmaster = () =>
  Number.parseInt(readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8'), 10);

function killPostmaster(): void {
  process.kill(postmaster(), 'SIGKILL');
}

function killAllOfPostgres(): void {
  const parent = postmaster();
  const children = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, ppid]) => ppid === parent)
    .map(([pid]) => pid as number);
  for (const pid of [parent, ...children]) process.kill(pid, 'SIGKILL');
}

/** A request of which the server has the headers and half of the body. */
function beginRequest(token: string, wish: Wish) {
  const body = Buffer.from(JSON.stringify({ query: wish.query, variables: { input: wish.input } }));
  const half = Math.floor(body.length / 2);
  const sending = request(url(), {
    method: 'POST',
    agent: new Agent(),
    headers: {
      'content-type': 'application/json',
      'content-length': body.length,
      authorization: `Bearer ${token}`,
      // The server says that it has read the headers.
      expect: '100-continue',
    },
  });
  const answered = new Promise<{ status: number; answer: Answer }>((resolve, reject) => {
    sending.on('error', reject);
    sending.on('response', (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, answer: JSON.parse(text) as Answer }),
      );
    });
  });
  sending.flushHeaders();
  return {
    wish,
    isUnderWay: once(sending, 'continue').then(() => sending.write(body.subarray(0, half))),
    finish() {
      sending.end(body.subarray(half));
      return answered;
    },
  };
}

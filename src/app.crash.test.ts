import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startEmbeddedPostgres } from './adapters/postgres/embedded/embedded.ts';
import { audit } from './testing/audit.ts';
import {
  type Answer,
  countsIn,
  countsOf,
  createUsers,
  follow,
  tokenOf,
  type Wish,
  wishes,
  work,
} from './testing/clients.ts';
import { connectionStringOf, killAllOfPostgres, killPostmaster } from './testing/postgres-server.ts';
import { freePort, type Program, patience, startProgram } from './testing/program.ts';

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

/** Starts the real program on the data directory. Resolves when the program is ready. */
async function start(): Promise<Program> {
  program = await startProgram({ PORT: String(port), DATA_DIR: dataDir });
  return program;
}

const users = Array.from({ length: 7 }, (_, n) => `user-${n}`);

const url = () => `http://127.0.0.1:${port}`;

/** Compares the stored rows with the requested mutations, after the program has ended. */
async function auditOf(done: readonly Wish[]) {
  const embedded = await startEmbeddedPostgres({ dataDir });
  try {
    return await audit(connectionStringOf(embedded.connection), done);
  } finally {
    await embedded.stop();
  }
}

/** Resolves when the API shows the effect of every mutation in `done`. */
async function settled(token: string, done: readonly Wish[]): Promise<void> {
  for (const userId of users) {
    await vi.waitFor(
      async () => expect(await countsOf(url(), token, userId)).toEqual(countsIn(done, userId)),
      patience,
    );
  }
}

/**
 * Expects that the effect of each acknowledged mutation is stored and counted once, and that no other row is
 * stored.
 */
async function expectExactly(done: readonly Wish[]): Promise<void> {
  const stored = { wished: done.length, stored: done.length, twice: 0, lost: 0 };
  expect(await auditOf(done)).toEqual({ ...stored, drift: [], deadLetters: [] });
}

describe('the program', () => {
  it('keeps acknowledged events and counts each of them once after repeated kills', async () => {
    await start();
    const token = await tokenOf('shop', 'service');
    await createUsers(url(), token, users);
    const screen = await follow(url(), 'user-0');
    const todo = wishes(users, 600, 'kill');
    const clients = work(url, token, todo, { clients: 12 });
    for (const enough of [100, 250, 420]) {
      await vi.waitFor(() => expect(clients.acknowledged.length).toBeGreaterThanOrEqual(enough), patience);
      expect(await program?.end('SIGKILL')).toBe(null);
      await start();
    }
    await clients.finished;
    expect(clients.refusals).toEqual([]);
    expect(clients.acknowledged).toHaveLength(todo.length);
    await settled(token, todo);

    // The watching client has the final badge, and never got an older badge after a newer badge.
    const unseen = todo.filter(({ kind, userId }) => kind === 'notification' && userId === 'user-0').length;
    await vi.waitFor(() => expect(screen.updates.at(-1)?.badge.unseen).toBe(unseen), patience);
    expect(screen.updates.filter(({ kind }) => kind === 'SNAPSHOT').length).toBeGreaterThan(1);
    const versions = screen.updates.map(({ badge }) => badge.version);
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    await screen.dispose();

    expect(await program?.end('SIGTERM')).toBe(0);
    await expectExactly(todo);
  }, 120_000);

  it('survives the death of its PostgreSQL without a restart and without loss', async () => {
    const running = await start();
    const token = await tokenOf('shop', 'service');
    await createUsers(url(), token, users);
    const screen = await follow(url(), 'user-0');
    const todo = wishes(users, 450, 'postgres');
    const clients = work(url, token, todo, { clients: 12 });
    for (const [enough, kill] of [
      [100, killPostmaster],
      [250, killAllOfPostgres],
    ] as const) {
      await vi.waitFor(() => expect(clients.acknowledged.length).toBeGreaterThanOrEqual(enough), patience);
      kill(dataDir);
    }
    await clients.finished;
    expect(clients.refusals).toEqual([]);
    expect(running.isRunning()).toBe(true);
    await settled(token, todo);
    const unseen = todo.filter(({ kind, userId }) => kind === 'notification' && userId === 'user-0').length;
    await vi.waitFor(() => expect(screen.updates.at(-1)?.badge.unseen).toBe(unseen), patience);
    // The client received only one snapshot, so its socket stayed open.
    expect(screen.updates.filter(({ kind }) => kind === 'SNAPSHOT')).toHaveLength(1);
    await screen.dispose();

    expect(await running.end('SIGTERM')).toBe(0);
    await expectExactly(todo);
  }, 120_000);

  it('answers running requests after SIGTERM, closes sockets with 1012 and exits with 0', async () => {
    const running = await start();
    const token = await tokenOf('shop', 'service');
    await createUsers(url(), token, users);
    const screen = await follow(url(), 'user-0');
    await vi.waitFor(() => expect(screen.updates).toHaveLength(1), patience);
    const clients = work(url, token, wishes(users, 100_000, 'load'), { clients: 8 });
    const begun = wishes(users, 10, 'begun').map((wish) => beginRequest(token, wish));
    await Promise.all(begun.map(({ isUnderWay }) => isUnderWay));
    await vi.waitFor(() => expect(clients.acknowledged.length).toBeGreaterThanOrEqual(100), patience);

    const ended = running.end('SIGTERM');
    await vi.waitFor(() => expect(running.log()).toContain('the process is stopping and finishes'), patience);
    const answers = await Promise.all(begun.map((one) => one.finish()));
    expect(await ended).toBe(0);
    expect(answers.map(({ status, answer }) => [status, answer.data?.done.userErrors])).toEqual(
      answers.map(() => [200, []]),
    );
    await vi.waitFor(() => expect(screen.closeCodes[0]).toBe(1012), patience);
    await screen.dispose();
    await clients.stop();
    expect(clients.refusals).toEqual([]);

    // The log contains all acknowledged events. The next start applies the events that this process did not
    // apply.
    await start();
    const done = [...clients.acknowledged, ...begun.map(({ wish }) => wish)];
    for (const userId of users) {
      const { views, notifications } = countsIn(done, userId);
      await vi.waitFor(async () => {
        const counts = await countsOf(url(), token, userId);
        expect(counts.views).toBeGreaterThanOrEqual(views);
        expect(counts.notifications).toBeGreaterThanOrEqual(notifications);
      }, patience);
    }
    expect(await program?.end('SIGTERM')).toBe(0);
    expect(await auditOf(done)).toMatchObject({ lost: 0, drift: [], deadLetters: [] });
  }, 120_000);
});

/** Sends the headers and half of the body of a request. `finish` sends the rest of the body. */
function beginRequest(token: string, wish: Wish) {
  const body = Buffer.from(JSON.stringify({ query: wish.query, variables: { input: wish.input } }));
  const half = Math.floor(body.length / 2);
  const sending = request(`${url()}/graphql`, {
    method: 'POST',
    agent: new Agent(),
    headers: {
      'content-type': 'application/json',
      'content-length': body.length,
      authorization: `Bearer ${token}`,
      // Makes the server confirm that it has read the headers.
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

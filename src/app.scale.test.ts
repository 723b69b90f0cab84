// @module-tag kafka
// @module-tag redis
// @module-tag postgres
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from './adapters/local/pub-sub.ts';
import { connect } from './adapters/postgres/connection.ts';
import { createPostgresStore } from './adapters/postgres/store.ts';
import { deadLetterSuffix, topics } from './events/topic.ts';
import { createProject } from './flow/apply/project.ts';
import { systemClock } from './ports/clock.ts';
import { silent } from './ports/logger.ts';
import { audit } from './testing/audit.ts';
import {
  countsIn,
  createUsers,
  follow,
  type Screen,
  tokenOf,
  type Wish,
  wishes,
  work,
} from './testing/clients.ts';
import type { Point } from './testing/doomed.ts';
import { type Fleet, openFleet } from './testing/fleet.ts';
import { type Program, patience } from './testing/program.ts';

let fleet: Fleet;
let token: string;
/** The mutations that the API acknowledged in all tests so far, because all tests share one database. */
const acknowledged: Wish[] = [];
let poisoned = 0;

beforeAll(async () => {
  fleet = await openFleet();
  token = await tokenOf('shop', 'service');
}, 120_000);
afterAll(() => fleet?.stop(), 60_000);
afterEach(() => fleet.stopPrograms(), 60_000);

const named = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => `${prefix}-${n}`);

/** Returns a function that returns the URLs of the running APIs in turn. */
function inTurn(apis: readonly Program[]): () => string {
  let next = 0;
  return () => {
    const running = apis.filter((api) => api.isRunning());
    next += 1;
    return (running[next % running.length] ?? (apis[0] as Program)).url;
  };
}

/**
 * Resolves when the effect of each acknowledged mutation is stored and counted once, and no other row is
 * stored.
 */
async function expectAllApplied(done: readonly Wish[]) {
  acknowledged.push(...done);
  return vi.waitFor(async () => {
    const found = await audit(fleet.postgres.url, acknowledged);
    expect(found).toMatchObject({
      wished: acknowledged.length,
      stored: acknowledged.length,
      twice: 0,
      lost: 0,
      drift: [],
    });
    expect(found.deadLetters).toHaveLength(poisoned);
    return found;
  }, patience);
}

/** Expects that the watching client has the final badge and never got an older badge after a newer badge. */
async function expectFinalBadge(screen: Screen, done: readonly Wish[]): Promise<void> {
  const { notifications } = countsIn(done, screen.userId);
  await vi.waitFor(() => expect(screen.updates.at(-1)?.badge.unseen).toBe(notifications), patience);
  const versions = screen.updates.map(({ badge }) => badge.version);
  expect(versions).toEqual(versions.toSorted((a, b) => a - b));
  await screen.dispose();
}

describe('two APIs and two workers', () => {
  it('count the events of 2000 users exactly despite repeats, and push badges from any API to the sockets of any other API', async () => {
    const [first, second] = (await Promise.all([
      fleet.start('api'),
      fleet.start('api'),
      fleet.start('worker'),
      fleet.start('worker'),
    ])) as [Program, Program, Program, Program];
    const users = named('user', 2_000);
    await createUsers(first.url, token, users);
    const screen = await follow(first.url, 'user-0');
    await vi.waitFor(() => expect(screen.updates).toHaveLength(1), patience);

    const todo = wishes(users, 6_000, 'scale');
    // The first API gets every second mutation again, in reverse order.
    const again = todo.filter((_, n) => n % 2 === 0).toReversed();
    const senders = [
      work(() => second.url, token, todo, { clients: 16 }),
      work(() => first.url, token, again, { clients: 8 }),
    ];
    await Promise.all(senders.map(({ finished }) => finished));
    expect(senders.flatMap(({ refusals }) => refusals)).toEqual([]);
    await expectAllApplied(todo);
    await expectFinalBadge(screen, todo);
  }, 180_000);
});

describe('acknowledged events', () => {
  const rows: object[] = [];
  afterAll(() => console.table(rows));

  it.each<[Point, 'api' | 'worker']>([
    ['mid-batch', 'worker'],
    ['after-commit', 'worker'],
    ['after-publish', 'worker'],
    ['after-append', 'api'],
  ])(
    'are applied once if a process dies ten times at the point %s, as %s',
    async (point, role) => {
      const [steady] = await Promise.all([fleet.start('api'), fleet.start('worker')]);
      const apis = [steady];
      const users = named(point, 20);
      await createUsers(steady.url, token, users);
      const screen = await follow(steady.url, `${point}-0`);
      const clients = work(inTurn(apis), token, wishes(users, 100_000, point), { clients: 6, pauseMs: 10 });

      let kills = 0;
      async function dieAgainAndAgain(): Promise<void> {
        while (kills < 10) {
          const doomed = await fleet.start(role, { point, count: 1 + Math.floor(Math.random() * 5) });
          if (role === 'api') apis.push(doomed);
          expect(await doomed.exited).toBe(null);
          kills += 1;
        }
      }
      await Promise.all([dieAgainAndAgain(), dieAgainAndAgain()]);
      await clients.finish();
      expect(clients.refusals).toEqual([]);

      const before = acknowledged.length;
      const { stored, twice, lost } = await expectAllApplied(clients.acknowledged);
      await expectFinalBadge(screen, clients.acknowledged);
      const count = clients.acknowledged.length;
      rows.push({ point, kills, acknowledged: count, stored: stored - before, 'applied twice': twice, lost });
    },
    240_000,
  );
});

describe('the program under load', () => {
  const rows: object[] = [];
  afterAll(() => console.table(rows));

  const faults = ['killed', 'frozen'] as const;
  const backends = ['kafka', 'redis', 'postgres'] as const;

  it.each(backends.flatMap((backend) => faults.map((fault) => [backend, fault] as const)))(
    'loses nothing, answers in time and shows the correct badge again after %s is %s',
    async (backend, fault) => {
      const [api, worker] = await Promise.all([fleet.start('api'), fleet.start('worker')]);
      const users = named(`${backend}-${fault}`, 10);
      await createUsers(api.url, token, users);
      const screen = await follow(api.url, users[0] as string);
      await vi.waitFor(() => expect(screen.updates).toHaveLength(1), patience);
      const todo = wishes(users, 100_000, `${backend}-${fault}`);
      const clients = work(() => api.url, token, todo, { clients: 4, pauseMs: 20 });
      await vi.waitFor(() => expect(clients.acknowledged.length).toBeGreaterThan(50), patience);
      const memoryBefore = memoryOf(api) + memoryOf(worker);

      if (fault === 'killed') {
        await fleet[backend].kill();
        await delay(3_000);
        await fleet[backend].restart();
      } else {
        fleet[backend].freeze();
        await delay(20_000);
        fleet[backend].thaw();
      }
      const healedAt = performance.now();
      const acknowledgedThen = clients.acknowledged.length;
      await vi.waitFor(() => expect(clients.acknowledged.length).toBeGreaterThan(acknowledgedThen), patience);
      const acknowledgingAfterMs = performance.now() - healedAt;
      await delay(1_000);
      await clients.finish();
      expect(clients.refusals).toEqual([]);
      const finishedAt = performance.now();
      await expectAllApplied(clients.acknowledged);
      await expectFinalBadge(screen, clients.acknowledged);

      const lines = [api, worker].map((program) => program.log().split('\n').length);
      rows.push({
        backend,
        fault,
        acknowledged: clients.acknowledged.length,
        'slowest answer, ms': clients.slowestMs(),
        'acknowledging again, ms': Math.round(acknowledgingAfterMs),
        'badge right, ms after the last answer': Math.round(performance.now() - finishedAt),
        'log lines': Math.max(...lines),
        'memory, MiB more': Math.round((memoryOf(api) + memoryOf(worker) - memoryBefore) / 2 ** 20),
      });
      expect(clients.slowestMs()).toBeLessThan(15_000);
      expect(Math.max(...lines)).toBeLessThan(100);
      expect(memoryOf(api) + memoryOf(worker) - memoryBefore).toBeLessThan(300 * 2 ** 20);
      // Redis only carries pushes, so its failure must not delay answers.
      if (backend === 'redis') expect(clients.slowestMs()).toBeLessThan(3_000);
    },
    240_000,
  );
});

describe('the worker', () => {
  it('applies each event once if a frozen worker continues after another worker has taken over its partitions', async () => {
    const [api, zombie] = await Promise.all([fleet.start('api'), fleet.start('worker')]);
    const users = named('zombie', 10);
    await createUsers(api.url, token, users);
    const clients = work(() => api.url, token, wishes(users, 100_000, 'zombie'), { clients: 4, pauseMs: 5 });
    for (let round = 0; round < 3; round += 1) {
      await vi.waitFor(() => expect(clients.acknowledged.length).toBeGreaterThan(100 * round + 50), patience);
      zombie.signal('SIGSTOP');
      const successor = await fleet.start('worker');
      // The delay is longer than the session of the frozen worker. The successor therefore takes over the
      // partitions and moves the position.
      await delay(4_000);
      zombie.signal('SIGCONT');
      await delay(1_000);
      expect(await successor.end('SIGTERM')).toBe(0);
    }
    await clients.finish();
    await expectAllApplied(clients.acknowledged);
  }, 180_000);

  it('changes no row when a new group reads the whole log again', async () => {
    const database = connect({ connectionString: fleet.postgres.url }, { maxConnections: 4 });
    const log = fleet.openLog();
    const project = createProject(
      {
        store: createPostgresStore(database),
        pubSub: createLocalPubSub(),
        clock: systemClock,
        logger: silent,
      },
      { retentionDays: 183 },
    );
    const seen = new Set<string>();
    let repeats = 0;
    await log.consume('rewound', Object.values(topics), async (records) => {
      await project.apply(records);
      for (const { value } of records) seen.add(String(value));
      repeats += records.length;
    });
    await vi.waitFor(() => expect(seen.size).toBeGreaterThanOrEqual(acknowledged.length), patience);
    await log.close();
    await database.close();
    // The log contains more events than the API acknowledged, because clients repeated requests.
    expect(repeats).toBeGreaterThan(acknowledged.length);
    await expectAllApplied([]);
  }, 120_000);

  it('moves malformed records of every topic to the dead letters and applies all other records', async () => {
    const [api] = await Promise.all([fleet.start('api'), fleet.start('worker')]);
    const users = named('poison', 10);
    await createUsers(api.url, token, users);
    const clients = work(() => api.url, token, wishes(users, 300, 'poison'), { clients: 8 });
    const poison = ['{', '[]', '{"userId": 7}', `{"user_id": "poison-0", "name": ${'"x"'.repeat(3)}}`];
    const log = fleet.openLog();
    const copies: string[] = [];
    const deadLetterTopics = Object.values(topics).map((topic) => topic + deadLetterSuffix);
    await log.consume('outside', deadLetterTopics, async (records) => {
      for (const { topic, value, headers } of records)
        copies.push(`${topic} ${headers['error-code']} ${value}`);
    });
    await Promise.all(
      Object.values(topics).flatMap((topic) =>
        poison.map((value, n) =>
          log.send([{ topic, key: `default/poison-${n}`, value: Buffer.from(value) }]),
        ),
      ),
    );
    poisoned += Object.values(topics).length * poison.length;
    await clients.finished;
    const { deadLetters } = await expectAllApplied(clients.acknowledged);
    for (const topic of Object.values(topics)) {
      expect(deadLetters.filter((letter) => letter.topic === topic)).toHaveLength(poison.length);
    }
    // Each dead letter has a copy with unchanged bytes.
    const expected = deadLetterTopics.flatMap((topic) =>
      poison.map((value) => `${topic} MALFORMED_EVENT ${value}`),
    );
    await vi.waitFor(() => expect(copies.toSorted()).toEqual(expected.toSorted()), patience);
    await log.close();
  }, 120_000);
});

/** Returns the resident memory of a process, in bytes. */
function memoryOf({ pid }: Program): number {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { connect, type Database } from '../../adapters/postgres/connection.ts';
import { startEmbeddedPostgres } from '../../adapters/postgres/embedded/embedded.ts';
import { createPostgresEventLog } from '../../adapters/postgres/log/event-log.ts';
import { migrateOn } from '../../adapters/postgres/server/server.ts';
import { createPostgresStore } from '../../adapters/postgres/store.ts';
import { horizonAt } from '../../domain/item.ts';
import type { Event } from '../../events/event.ts';
import type { EventLog } from '../../ports/event-log.ts';
import { silent } from '../../ports/logger.ts';
import type { Store } from '../../ports/store/store.ts';
import {
  createTestClock,
  itemViewed,
  notificationSent,
  pageViewed,
  recordsOf,
  testNow,
} from '../../testing/event.ts';
import { observed } from '../../testing/faults.ts';
import { limitRecord, wireLimitEvent } from '../../testing/limit.ts';
import { killAllOfPostgres } from '../../testing/postgres-server.ts';
import { createItems } from '../act/items.ts';
import { createCount } from '../apply/count.ts';
import { createProject } from '../apply/project.ts';
import { parseMove } from './publish.ts';

const alice = { tenantId: 'default', userId: 'alice' };
const clock = createTestClock();

// This server uses fsync. The database server of the other tests runs without fsync.
const dataDir = mkdtempSync(join(tmpdir(), 'unseen-publish-'));
let postgres: Awaited<ReturnType<typeof startEmbeddedPostgres>>;
let database: Database;
let store: Store;
let log: EventLog;
beforeAll(async () => {
  postgres = await startEmbeddedPostgres({ dataDir });
  const connection = { ...postgres.connection, ssl: false };
  await migrateOn({ logger: silent }, connection);
  database = connect(connection, { maxConnections: 3 });
  store = createPostgresStore(database, { holdsLog: true });
  log = createPostgresEventLog({ database, connection, logger: silent });
  await store.preparePageViews([testNow]);
  await store.transaction((transaction) => transaction.ensureUsers([alice], testNow));
});
afterAll(async () => {
  await log.close();
  await database.close();
  await postgres.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

let offset = 0;
const recordsOfNext = (events: readonly Event[]) => {
  offset += events.length;
  return recordsOf(events, offset);
};

/** Creates a worker that receives each batch only once, as if the worker died afterwards. */
function startWorker() {
  const pubSub = observed(createLocalPubSub());
  const deps = { store, pubSub, clock, logger: silent };
  const project = createProject(deps, { retentionDays: 183 });
  const reread: number[] = [];
  return {
    /**
     * Returns the newest version that was published, or that a watcher read after a request to read the
     * badge.
     */
    version(): number {
      const states = pubSub.published.map(({ value }) => JSON.parse(value));
      const published = states.filter((state) => !parseMove(JSON.stringify(state)));
      return Math.max(...published.map(({ badge, version }) => badge?.version ?? version), ...reread);
    },
    /** Adds the versions that a watcher reads, if a request to read the badge was published. */
    reread(versions: readonly number[]): void {
      if (pubSub.published.some(({ value }) => parseMove(value))) reread.push(...versions);
    },
    project: (...events: readonly Event[]) => project.apply(recordsOfNext(events)),
    projectLimit: () => project.apply([limitRecord(wireLimitEvent('USER_LIMIT_CREATED', 1))]),
    async count(...events: readonly Event[]) {
      const consume: EventLog['consume'] = async (_group, _topics, handle) => {
        await handle(recordsOfNext(events), new AbortController().signal);
        return { stop: async () => {} };
      };
      const options = { retentionDays: 183, flushIntervalMs: 60_000, batchSize: 1 };
      await createCount({ ...deps, project, log: { ...log, consume } }, options).start();
    },
  };
}

type Worker = ReturnType<typeof startWorker>;

/** Kills PostgreSQL. Resolves when PostgreSQL is back. */
async function crash(): Promise<void> {
  killAllOfPostgres(dataDir);
  postgres = await startEmbeddedPostgres({ dataDir });
  for (let attempt = 0; attempt < 10; attempt += 1) await store.ping().catch(() => {});
  await store.ping();
}

const about = { subjectId: 'order-7' };
const content = { category: 'general', severity: 'NORMAL', title: 'Sent', ...about } as const;

describe('a published version survives a kill of PostgreSQL', () => {
  const versions = (rows: readonly { readonly version: number }[]) => rows.map(({ version }) => version);
  const inbox = async () => versions(await store.inboxes([alice]));
  const news = { ...alice, collection: 'news' };
  const newsBadge = async () => versions(await store.itemBadges([news], horizonAt(testNow, 183)));
  const minute = { tenantId: 'default', granularity: 'MINUTE', start: testNow } as const;

  it.each([
    {
      of: 'of an inbox, after a notification',
      work: (worker: Worker) => worker.project(notificationSent({ data: content })),
      read: inbox,
    },
    {
      of: 'of an inbox, after a visit that reads a notification',
      async work(worker: Worker) {
        await worker.project(notificationSent({ data: content }));
        await worker.project(pageViewed({ data: { name: 'Order', ...about } }));
      },
      read: inbox,
    },
    {
      of: 'of an item badge, after a view',
      async work(worker: Worker) {
        // A view changes a badge only if its item is published.
        const deps = { store, pubSub: createLocalPubSub(), clock, logger: silent };
        const options = { retentionDays: 183, viewHorizonDays: 183 };
        await createItems(deps, options).publish(news, [{ itemId: 'a' }]);
        await worker.project(itemViewed());
        worker.reread(await newsBadge());
      },
      read: newsBadge,
    },
    {
      of: 'of a limit',
      work: (worker: Worker) => worker.projectLimit(),
      read: async () => (await store.limits([alice])).flatMap(({ limits }) => versions(limits)),
    },
    {
      of: 'of a bucket of the metrics',
      work: (worker: Worker) => worker.count(pageViewed()),
      read: async () => versions(await store.activityBuckets([minute])),
    },
  ])('$of', async ({ work, read }) => {
    const worker = startWorker();
    await work(worker);
    await crash();
    expect(worker.version()).toBeGreaterThan(0);
    expect(await read()).toEqual([worker.version()]);
  });
});

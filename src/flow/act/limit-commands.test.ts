import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import type { Database } from '../../adapters/postgres/connection.ts';
import { createPostgresEventLog } from '../../adapters/postgres/log/event-log.ts';
import { createPostgresStore } from '../../adapters/postgres/store.ts';
import { createPostgresOutbox } from '../../adapters/postgres/tables/outbox.ts';
import { appliedHeader } from '../../events/record.ts';
import { systemClock } from '../../ports/clock.ts';
import type { Consumption, EventLog, LogRecord } from '../../ports/event-log.ts';
import { silent } from '../../ports/logger.ts';
import { observed } from '../../testing/faults.ts';
import { historyOf, limitsOf } from '../../testing/limit.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createConsume, projectionGroup } from '../apply/consume.ts';
import { createProject } from '../apply/project.ts';
import { createRelay, type Relay } from '../background/relay.ts';
import { createAct } from './act.ts';

const alice = { tenantId: 'acme', userId: 'alice' };
const caller = { tenantId: 'acme', subject: 'shop', role: 'service', expiresAt: new Date() } as const;
const definition = {
  userId: 'alice',
  userLimitId: 'limit-1',
  brandId: 'brand-1',
  type: 'DEPOSIT',
  period: 'CALENDAR_DAY',
  value: '100',
} as const;

let storage: TestStorage;
let log: EventLog;
let running: { relay?: Relay; worker?: Consumption };
beforeEach(async () => {
  storage = await openTestStorage();
  const { database, connection } = storage;
  log = createPostgresEventLog({ database, connection, logger: silent });
  await storage.store.transaction((transaction) => transaction.ensureUsers([alice], new Date()));
  running = {};
});
afterEach(async () => {
  await running.worker?.stop();
  await running.relay?.stop();
  await log.close();
  await storage.close();
});

/** A process that changes limits through the API and applies the events of the log. */
function startProcess() {
  const database = storage.connectAgain();
  const statements = statementsOf(database);
  const pubSub = observed(createLocalPubSub());
  const deps = { store: createPostgresStore(database), pubSub, clock: systemClock, logger: silent };
  const project = createProject(deps, { retentionDays: 183 });
  return {
    statements,
    act: createAct(deps),
    project,
    published: () => pubSub.published.filter(({ topic }) => topic === 'limit:acme/alice'),
    /** Sends the records of the outbox and consumes them. */
    async work(): Promise<void> {
      const outbox = createPostgresOutbox({
        database: storage.connectAgain(),
        connection: storage.connection,
      });
      running.relay = createRelay({ outbox, log, project, clock: systemClock, logger: silent });
      running.relay.start();
      running.worker = await createConsume({ log, project, logger: silent }).start();
    },
  };
}

/** Collects the statements that the database receives from now on. */
function statementsOf({ pool }: Database): string[] {
  const statements: string[] = [];
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: readonly unknown[]) => unknown;
    client.query = ((...args: readonly [string | { readonly text: string }]) => {
      const [statement] = args;
      statements.push(typeof statement === 'string' ? statement : statement.text);
      return query(...args);
    }) as typeof client.query;
  });
  return statements;
}

const caughtUp = (events: number) =>
  vi.waitFor(
    async () => {
      expect(await storage.query('SELECT FROM event_log')).toHaveLength(events);
      expect(await log.lag(projectionGroup, ['user-limit-events'])).toBe(0n);
    },
    { timeout: 15_000, interval: 10 },
  );

const history = async () =>
  (await historyOf(storage.store, { ...alice, userLimitId: 'limit-1' })).map(({ type }) => type);

/** The records that another consumer reads from the topic. */
async function sent(): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = [];
  const reader = await log.consume('other', ['user-limit-events'], async (some) => {
    records.push(...some);
  });
  await vi.waitFor(async () => expect(await log.lag('other', [])).toBe(0n));
  await reader.stop();
  return records;
}

describe('a limit changed through the API', () => {
  it('is applied in one transaction and published once', async () => {
    const one = startProcess();
    await one.work();
    await one.act.createUserLimit(caller, definition);
    await caughtUp(1);
    one.statements.length = 0;
    await one.act.updateUserLimitProgress(caller, { userLimitId: 'limit-1', amount: '30' });
    await caughtUp(2);
    expect(one.statements.filter((text) => text.startsWith('BEGIN'))).toHaveLength(1);
    // These are the statements of the transaction, the query before it for the owner of the limit, and the
    // query after it for the row that records that the event was applied.
    expect(one.statements).toHaveLength(10);
    expect(one.published()).toHaveLength(2);
    expect(await history()).toEqual(['USER_LIMIT_PROGRESS_CHANGED', 'USER_LIMIT_CREATED']);
  });

  it('is sent to other consumers of the topic once per change', async () => {
    const one = startProcess();
    await one.work();
    await one.act.createUserLimit(caller, definition);
    await one.act.resetUserLimit(caller, { userLimitId: 'limit-1' });
    await caughtUp(2);
    expect((await sent()).map(({ headers }) => headers)).toEqual([
      { [appliedHeader]: '1' },
      { [appliedHeader]: '1' },
    ]);
  });

  it('is correct if the process ends before the relay reads the outbox', async () => {
    await startProcess().act.createUserLimit(caller, definition);
    const committed = await limitsOf(storage.store, [alice]);
    expect(committed).toHaveLength(1);
    await startProcess().work();
    await caughtUp(1);
    expect(await history()).toEqual(['USER_LIMIT_CREATED']);
    expect(await limitsOf(storage.store, [alice])).toEqual(committed);
  });

  it.each([
    { where: 'another database', without: ['user_limit', 'user_limit_event', 'processed_event'] },
    {
      where: 'a database restored to a moment before the change',
      without: ['user_limit', 'user_limit_event', 'processed_event', 'outbox'],
    },
  ])('is applied from the topic in $where', async ({ without }) => {
    const one = startProcess();
    await one.work();
    await one.act.createUserLimit(caller, definition);
    await caughtUp(1);
    const records = await sent();
    await storage.query(`TRUNCATE ${without.join(', ')}`);
    await one.project.apply(records);
    expect(await history()).toEqual(['USER_LIMIT_CREATED']);
    expect(one.published()).toHaveLength(2);
  });

  it('is applied once, in a batch with other events that are each applied once', async () => {
    const one = startProcess();
    await one.work();
    await one.act.createUserLimit(caller, definition);
    await one.act.updateUserLimitProgress(caller, { userLimitId: 'limit-1', amount: '30' });
    await caughtUp(2);
    const [created, changed] = await sent();
    if (!created || !changed) throw new Error('two records were sent');
    const foreign = JSON.parse(Buffer.from(changed.value ?? '').toString());
    const value = Buffer.from(JSON.stringify({ ...foreign, eventId: 'foreign', sequenceNumber: 3 }));
    const batch = [created, changed, { ...changed, headers: {}, value, offset: 99n }];
    await one.project.apply(batch);
    await one.project.apply(batch);
    expect(await history()).toEqual([
      'USER_LIMIT_PROGRESS_CHANGED',
      'USER_LIMIT_PROGRESS_CHANGED',
      'USER_LIMIT_CREATED',
    ]);
  });
});

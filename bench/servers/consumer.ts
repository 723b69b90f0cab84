import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { v7 as uuidV7 } from 'uuid';
import type { EventLog, LogRecord } from '../../src/ports/event-log.ts';
import { builtIn } from '../built.ts';
import { answerParent, readArgument } from '../child-main.ts';

export interface ConsumerOptions {
  readonly dist: string;
  readonly databaseUrl: string;
  /**
   * `ours`: the worker's flow. `bare`: the same rows by `unnest`, in batches as they come, one transaction each.
   * `nothing`: the log is read for the metrics alone.
   */
  readonly applies: 'ours' | 'bare' | 'nothing';
  /** Counts the metrics too, in the same process, as the program does; absent: nobody counts. */
  readonly metrics?: { readonly batchSize?: number };
  /** What waits in the log: page views with a notification in five, page views alone, or events of limits. */
  readonly events: 'mixed' | 'views' | 'limits';
  /** Unset: the log is a table in the same database. */
  readonly kafka?: { readonly broker: string; readonly namespace: string };
}

/** Records of a turn that were applied, and when the last was, in ms since the epoch. */
export interface Consumed {
  readonly count: number;
  /** Whether they are in the metrics too, where those are counted. */
  readonly isCounted: boolean;
  readonly endedAt: number;
}

const users = 200;

const { dist, databaseUrl, applies, metrics, events: kind, kafka } = readArgument<ConsumerOptions>();
const built = builtIn(dist);
const { readConfig } = await built.config();
const { createRuntime } = await built.runtime();
const { createProject } = await built.project();
const { createConsume } = await built.consume();
const { createCount } = await built.count();
const config = readConfig({
  DATABASE_URL: databaseUrl,
  AUTH_SECRET: randomUUID(),
  LOG_LEVEL: 'warn',
  ...(kafka && { KAFKA_BROKERS: kafka.broker, NAMESPACE: kafka.namespace, KAFKA_PARTITIONS: '6' }),
});
const logger = { info() {}, warn() {}, error: console.error };
const { backends } = await createRuntime(config, { ephemeral: false }, logger);
await backends.prepare(new AbortController().signal);
const { store, log } = backends;
await store.transaction((transaction) =>
  transaction.ensureUsers(
    Array.from({ length: users }, (_, n) => ({ tenantId: 'default', userId: `user-${n}` })),
    new Date(),
  ),
);

let open: () => void = () => {};
/** Records wait here between the turns, so that neither filling the log nor joining a group is measured. */
let gate = newGate();
let count = 0;
let endedAt = 0;
/** Activity that waits to be counted. */
let uncounted = 0;

function newGate(): Promise<void> {
  return new Promise((resolve) => {
    open = resolve;
  });
}

if (applies !== 'nothing') {
  const project = applies === 'bare' ? await createBare() : createOurs();
  await createConsume({ log: gated(log), project, logger }).start();
}

function gated(log: EventLog): EventLog {
  return {
    ...log,
    consume: (group, topics, handle) =>
      log.consume(group, topics, async (records, signal) => {
        await gate;
        await handle(records, signal);
        count += records.length;
        endedAt = Date.now();
      }),
  };
}

/**
 * Counts what waits, once. It reads far ahead, so that no gate would hold it: it begins with the measurement. What does not
 * fill a last flush is written because it is told to stop, as a worker that ends would, and not by the interval, of which
 * nothing is measured.
 */
async function countAll({ batchSize = config.batchSize }: NonNullable<typeof metrics>): Promise<void> {
  let taken = 0;
  let stop = () => {};
  const observed: EventLog = {
    ...log,
    consume: (group, topics, handle, options) =>
      log.consume(
        group,
        topics,
        (records, signal) => {
          const handled = handle(records, signal);
          const { length } = records;
          taken += length;
          if (taken === uncounted) stop();
          return handled.then(() => {
            uncounted -= length;
            taken -= length;
            endedAt = Date.now();
          });
        },
        options,
      ),
  };
  const { retentionDays, flushIntervalMs } = config;
  const options = { retentionDays, flushIntervalMs, batchSize };
  const consumption = await createCount(
    { ...backends, project: createOurs(), log: observed, logger },
    options,
  ).start();
  stop = () => void consumption.stop();
}

function createOurs() {
  return createProject({ ...backends, logger }, { retentionDays: config.retentionDays });
}

async function createBare() {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 });
  await store.preparePageViews([new Date()]);
  return {
    async apply(records: readonly LogRecord[]): Promise<void> {
      const events = records.map(({ value }) => JSON.parse(String(value)));
      const views = events.filter(({ type }) => type === 'pageViewed');
      const sent = events.filter(({ type }) => type === 'notificationSent');
      const column = (rows: readonly Record<string, string>[], name: string) => rows.map((row) => row[name]);
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        await client.query({
          name: 'views',
          text: `INSERT INTO page_view (tenant_id, user_id, id, name, occurred_at, received_at)
            SELECT 'default', *, now() FROM unnest($1::text[], $2::uuid[], $3::text[], $4::timestamptz[])`,
          values: [
            column(views, 'userId'),
            column(views, 'id'),
            views.map(({ data }) => data.name),
            column(views, 'occurredAt'),
          ],
        });
        await client.query({
          name: 'notifications',
          text: `INSERT INTO notification (tenant_id, user_id, id, status, category, severity, title, created_at)
            SELECT 'default', user_id, id, 'SUPPRESSED', 'general', 'NORMAL', title, at
            FROM unnest($1::text[], $2::uuid[], $3::text[], $4::timestamptz[]) AS n (user_id, id, title, at)`,
          values: [
            column(sent, 'userId'),
            column(sent, 'id'),
            sent.map(({ data }) => data.title),
            column(sent, 'occurredAt'),
          ],
        });
        await client.query('COMMIT');
      } finally {
        client.release();
      }
    },
    deadLetter: async () => {},
    probe: async () => {},
  };
}

let sequenceNumber = 0;

/** As their producer writes them: a bit of a limit of each user in turn is used. */
function limitRecords(start: number, count: number) {
  return Array.from({ length: count }, (_, n) => {
    const userId = `user-${(start + n) % users}`;
    sequenceNumber += 1;
    const event = {
      aggregateId: userId,
      context: { correlationId: uuidV7() },
      createdAt: Date.now(),
      eventId: uuidV7().replaceAll('-', '').slice(12),
      payload: {
        amount: '1.00',
        brandId: 'brand-1',
        currencyCode: 'EUR',
        nextResetTime: Date.now() + 86_400_000,
        previousProgress: '100.00',
        remainingAmount: '9899.00',
        userId,
        userLimitId: `limit-of-${userId}`,
      },
      sequenceNumber,
      source: 'limitUser',
      type: 'USER_LIMIT_PROGRESS_CHANGED',
    };
    const value = Buffer.from(JSON.stringify(event));
    return { topic: 'user-limit-events', key: `default/${userId}`, value };
  });
}

answerParent(
  {},
  {
    /** Appends so many events. */
    async fill({ events }: { readonly events: number }) {
      for (let start = 0; start < events; start += 500) {
        if (kind === 'limits') {
          await log.send(limitRecords(start, Math.min(500, events - start)));
          continue;
        }
        const batch = Array.from({ length: Math.min(500, events - start) }, (_, n) => {
          const common = {
            // As the API gives them: in the order of time.
            id: uuidV7(),
            source: 'api',
            tenantId: 'default',
            userId: `user-${(start + n) % users}`,
            occurredAt: new Date(),
            schemaVersion: 1,
          };
          return kind === 'mixed' && n % 5 === 0
            ? {
                ...common,
                type: 'notificationSent' as const,
                data: { category: 'general', severity: 'NORMAL' as const, title: 'Your order has shipped' },
              }
            : { ...common, type: 'pageViewed' as const, data: { name: `Page ${n % 20}` } };
        });
        await log.append(batch);
        uncounted += batch.filter(({ type }) => type === 'pageViewed').length;
      }
    },
    /** When it began, in ms since the epoch. */
    async open() {
      count = 0;
      if (metrics) await countAll(metrics);
      open();
      return Date.now();
    },
    consumed: (): Consumed => ({ count, isCounted: !metrics || uncounted === 0, endedAt }),
    close() {
      gate = newGate();
    },
  },
);

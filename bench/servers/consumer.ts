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
   * `ours`: the worker's flow. `bare`: inserts the same rows by `unnest`, one transaction per batch.
   * `nothing`: reads the log only for the metrics.
   */
  readonly applies: 'ours' | 'bare' | 'nothing';
  /**
   * The settings for counting the metrics in this process, as the program does. If unset, this process counts
   * no metrics.
   */
  readonly metrics?: { readonly batchSize?: number };
  /**
   * The events in the log. `mixed`: page views and one notification in five. `views`: only page views.
   * `limits`: events of limits.
   */
  readonly events: 'mixed' | 'views' | 'limits';
  /** The Kafka that stores the log. If unset, a table in the same database stores the log. */
  readonly kafka?: { readonly broker: string; readonly namespace: string };
}

/** The number of applied records of a turn, and the time of the last record in ms since the epoch. */
export interface Consumed {
  readonly count: number;
  /** Whether the metrics include all appended records. Always true if the consumer counts no metrics. */
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
/**
 * Records wait at this gate between two turns, so that a turn does not measure filling the log or joining a
 * group.
 */
let gate = newGate();
let count = 0;
let endedAt = 0;
/** The number of activities that are not counted yet. */
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
 * Counts all waiting activity. The counting consumer reads far ahead, so a gate cannot hold the records. The
 * consumer therefore starts when the measurement begins. When the consumer has read all activity, this
 * function stops the consumer, which then writes the last, partial flush. Waiting for the flush interval
 * instead would add waiting time to the measurement.
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

/**
 * Returns records as their producer writes them. Each event uses a part of the limit of the next user in
 * turn.
 */
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
    /** Appends `events` events. */
    async fill({ events }: { readonly events: number }) {
      for (let start = 0; start < events; start += 500) {
        if (kind === 'limits') {
          await log.send(limitRecords(start, Math.min(500, events - start)));
          continue;
        }
        const batch = Array.from({ length: Math.min(500, events - start) }, (_, n) => {
          const common = {
            // The API also creates ids in the order of time.
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
    /** Opens the gate. Resolves with the start time in ms since the epoch. */
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

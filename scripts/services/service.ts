import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';

export const serviceNames = ['kafka', 'redis', 'postgres'] as const;
export type ServiceName = (typeof serviceNames)[number];

/** The variable of the configuration that says where a service is. */
export const variableOf = {
  kafka: 'KAFKA_BROKERS',
  redis: 'REDIS_URL',
  postgres: 'DATABASE_URL',
} as const satisfies Record<ServiceName, string>;

/** Where the services are, as the program wants it told. */
export type ServiceUrls = { [Name in ServiceName as (typeof variableOf)[Name]]?: string };

const patienceMs = 2_000;

/** Resolves when the service at `url` does what a client wants first; rejects with the client's error. */
export const probe: Readonly<Record<ServiceName, (url: string) => Promise<void>>> = {
  async kafka(url) {
    const admin = new Kafka({
      brokers: url.split(',').map((broker) => broker.trim()),
      logLevel: logLevel.NOTHING,
      connectionTimeout: patienceMs,
      requestTimeout: patienceMs,
      retry: { retries: 0 },
    }).admin();
    try {
      await admin.connect();
      const { brokers, controller } = await admin.describeCluster();
      // A broker that has just started answers before it has found a controller, or itself.
      if (brokers.length === 0 || controller === null) throw new Error('the cluster has no controller yet');
    } finally {
      await admin.disconnect();
    }
  },
  async redis(url) {
    const client = new Redis(url, {
      lazyConnect: true,
      enableReadyCheck: false,
      retryStrategy: () => null,
      connectTimeout: patienceMs,
      commandTimeout: patienceMs,
    });
    // The error behind "Connection is closed", which is all that connect() says.
    let reason: Error | undefined;
    client.on('error', (error: Error) => {
      reason ??= error;
    });
    try {
      await client.connect();
      await client.ping();
    } catch (error) {
      throw reason ?? error;
    } finally {
      client.disconnect();
    }
  },
  async postgres(url) {
    const client = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: patienceMs,
      query_timeout: patienceMs,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query('SELECT 1');
    } finally {
      // What does not answer is not waited for.
      await Promise.race([client.end(), delay(patienceMs, undefined, { ref: false })]);
    }
  },
};

/** Why the service is not ready; undefined when it is. */
export function whyNotReady(name: ServiceName, url: string): Promise<string | undefined> {
  return probe[name](url).then(
    () => undefined,
    (error: unknown) => messageOf(error),
  );
}

/** An error in a line; of several at once, as when a name has several addresses, the first. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return messageOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}

/**
 * Asks until the service is ready. Rejects with the last reason when that takes longer than `timeoutMs`, and
 * with what `giveUp` throws, which is asked between two tries.
 */
export async function waitUntilReady(
  ask: () => Promise<string | undefined>,
  timeoutMs: number,
  giveUp: () => void = () => undefined,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 1.5, 300)) {
    const reason = await ask();
    giveUp();
    if (reason === undefined) return;
    if (performance.now() > deadline) throw new Error(`not ready after ${timeoutMs / 1000} s: ${reason}`);
    await delay(pauseMs);
  }
}

/** The given port if nothing listens on it, any other free one if something does; undefined takes any. */
export async function freePort(wanted = 0): Promise<number> {
  return (await listen(wanted)) ?? (await freePort());
}

function listen(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });
}

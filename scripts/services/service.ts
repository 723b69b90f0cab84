import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';

export const serviceNames = ['kafka', 'redis', 'postgres'] as const;
export type ServiceName = (typeof serviceNames)[number];

/** Maps each service to the setting that holds its address. */
export const variableOf = {
  kafka: 'KAFKA_BROKERS',
  redis: 'REDIS_URL',
  postgres: 'DATABASE_URL',
} as const satisfies Record<ServiceName, string>;

/** The addresses of the services, as settings of the program. */
export type ServiceUrls = { [Name in ServiceName as (typeof variableOf)[Name]]?: string };

const patienceMs = 2_000;

/**
 * Connects to the service at `url` and sends a first request, as a client does. Rejects with the error of the
 * client.
 */
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
      // A broker that has just started answers before it knows the controller and before it is in its own
      // list of brokers.
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
    // The cause of the error "Connection is closed". The error of connect() does not contain this cause.
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
      // A server that does not answer must not delay the caller.
      await Promise.race([client.end(), delay(patienceMs, undefined, { ref: false })]);
    }
  },
};

/** Resolves with the reason why the service is not ready. Undefined if it is ready. */
export function whyNotReady(name: ServiceName, url: string): Promise<string | undefined> {
  return probe[name](url).then(
    () => undefined,
    (error: unknown) => messageOf(error),
  );
}

/**
 * Returns the message of an error. An AggregateError, for example of a host name with several addresses, has
 * the message of its first error.
 */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return messageOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}

/**
 * Repeats `ask` until it resolves with undefined. Rejects with the last reason after `timeoutMs`. `giveUp`
 * runs after each try and may throw to stop waiting.
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

/**
 * Resolves with the wanted port if it is free, or else with any free port. If `wanted` is 0, resolves with
 * any free port.
 */
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

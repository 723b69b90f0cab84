import { randomUUID } from 'node:crypto';
import { type Client, createClient } from 'graphql-ws';
import { inject } from 'vitest';
import WebSocket from 'ws';
import { signToken } from '../adapters/jwt/sign-token.ts';
import { createApp } from '../app.ts';
import { type Config, readConfig } from '../config/config.ts';
import type { Role } from '../domain/caller.ts';
import { type Logger, silent } from '../ports/logger.ts';
import { createRuntime, type Runtime } from '../runtime/runtime.ts';
import { createTestDatabase } from './database.ts';

const secret = 'a-secret-for-tests-of-at-least-32-characters';

/** Whether this run uses Kafka as the log and Redis as pub/sub. */
export const isScaled = inject('services') !== undefined;

export interface Answer {
  readonly status: number;
  readonly data: Record<string, never> | null | undefined;
  readonly errors:
    | readonly { readonly message: string; readonly extensions: { readonly code: string } }[]
    | undefined;
}

/** The whole program on its own database. Tests use the program as clients do. */
export interface TestApp {
  readonly url: string;
  readonly config: Config;
  readonly runtime: Runtime;
  readonly connectionString: string;
  /** Signs a token that is valid for an hour. Defaults to user alice of the default tenant. */
  token(options?: { subject?: string; role?: Role; tenantId?: string; expiresIn?: string }): Promise<string>;
  /** Sends one operation over HTTP. */
  send(token: string, query: string, variables?: Record<string, unknown>): Promise<Answer>;
  /** Returns a graphql-ws client, which `stop` closes. */
  client(token: string): Client;
  stop(): Promise<void>;
}

/** Starts the program with the given environment on top of the defaults for tests. */
export async function startTestApp(
  env: Record<string, string> = {},
  {
    logger = silent,
    wrap = (runtime) => runtime,
  }: { logger?: Logger; wrap?: (runtime: Runtime) => Runtime } = {},
): Promise<TestApp> {
  const database = await createTestDatabase();
  const services = inject('services');
  const config = readConfig({
    PORT: '0',
    DATABASE_URL: database.connectionString,
    AUTH_SECRET: secret,
    FLUSH_INTERVAL_SEC: '1',
    UNKNOWN_USER_WAIT_SEC: '1',
    RATE_LIMIT_PER_USER: '0',
    RATE_LIMIT_PER_SERVICE: '0',
    RATE_LIMIT_PER_ADDRESS: '0',
    ...(services && {
      KAFKA_BROKERS: services.kafkaBrokers,
      REDIS_URL: services.redisUrl,
      KAFKA_PARTITIONS: '2',
      NAMESPACE: `test-${randomUUID()}.`,
    }),
    ...env,
  });
  const runtime = wrap(await createRuntime(config, { ephemeral: false }, logger));
  // With `usesToCompile: 1` the server compiles every operation if possible. Compiled operations must give
  // the same answers as interpreted operations.
  const app = await createApp(runtime.backends, config, services ? {} : { usesToCompile: 1 });
  const { url } = await app.start();
  const clients: Client[] = [];
  return {
    url,
    config,
    runtime,
    connectionString: database.connectionString,
    token: ({ subject = 'alice', role = 'user', tenantId = 'default', expiresIn = '1h' } = {}) =>
      signToken(secret, { subject, role, tenantId, expiresIn }),
    async send(token, query, variables) {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({ query, variables }),
      });
      return { status: response.status, ...((await response.json()) as Omit<Answer, 'status'>) };
    },
    client(token) {
      const client = createClient({
        url: `${url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        connectionParams: { authorization: `Bearer ${token}` },
      });
      clients.push(client);
      return client;
    },
    async stop() {
      for (const client of clients) await client.dispose();
      await app.stop();
      await runtime.close();
      await database.drop();
    },
  };
}

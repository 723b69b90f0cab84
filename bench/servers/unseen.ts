import { builtIn } from '../built.ts';
import { answerParent, readArgument } from '../child-main.ts';

export interface UnseenOptions {
  readonly dist: string;
  readonly databaseUrl: string;
  readonly secret: string;
  /**
   * - `memory`: the log stores nothing and is never read.
   * - `api`: events are durable, and no worker applies them.
   * - `api and worker`: the complete program.
   */
  readonly runs: 'memory' | 'api' | 'api and worker';
  /** The Kafka that stores the log. If unset, a table stores the log. */
  readonly kafka?: { readonly broker: string; readonly namespace: string };
  /** The Redis that carries pub/sub messages. If unset, pub/sub stays inside the process. */
  readonly redisUrl?: string;
}

// Runs our complete program. `runs` can only replace the log.
const { dist, databaseUrl, secret, runs, kafka, redisUrl } = readArgument<UnseenOptions>();
const built = builtIn(dist);
const { readConfig } = await built.config();
const { createRuntime } = await built.runtime();
const { createApp } = await built.app();

const config = readConfig({
  PORT: '0',
  DATABASE_URL: databaseUrl,
  AUTH_SECRET: secret,
  NODE_ENV: 'production',
  // The limit is higher than the rate of every load, but the server still checks the limit.
  RATE_LIMIT_PER_USER: '100000',
  RATE_LIMIT_PER_SERVICE: '1000000',
  // The server counts the quotas, but no load reaches them.
  QUOTA_PER_USER: '1000000000',
  QUOTA_PER_TENANT: '1000000000',
  ...(kafka && { KAFKA_BROKERS: kafka.broker, NAMESPACE: kafka.namespace }),
  ...(redisUrl !== undefined && { REDIS_URL: redisUrl }),
});
const logger = { info() {}, warn: console.error, error: console.error };
const { backends } = await createRuntime(config, { ephemeral: false }, logger);
const { log } = backends;
const app = await createApp(
  {
    ...backends,
    log: {
      ...log,
      ...(runs === 'memory' && { append: async () => {} }),
      ...(runs !== 'api and worker' && { consume: async () => ({ stop: async () => {} }) }),
    },
  },
  config,
);
const { url } = await app.start();
answerParent({ port: Number(new URL(url).port) });

import { builtIn } from '../built.ts';
import { answerParent, readArgument } from '../child-main.ts';

export interface UnseenOptions {
  readonly dist: string;
  readonly databaseUrl: string;
  readonly secret: string;
  /**
   * - `memory`: the log keeps nothing and is never read.
   * - `api`: events are durable, nobody applies them.
   * - `api and worker`: the program as it is.
   */
  readonly runs: 'memory' | 'api' | 'api and worker';
  /** Unset: the log is a table. */
  readonly kafka?: { readonly broker: string; readonly namespace: string };
  /** Pub/sub goes through this Redis; unset: it stays inside the process. */
  readonly redisUrl?: string;
}

// Our program, all of it; only its log is another where the variant says so.
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
  // More than a load sends: it is charged like any other.
  RATE_LIMIT_PER_USER: '100000',
  RATE_LIMIT_PER_SERVICE: '1000000',
  // Counted, and never reached.
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

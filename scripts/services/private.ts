import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { defaultDirectory, makeDirectory } from './directory.ts';
import { findInstance, type Instance, recordFile, startInstance, stopInstance } from './instance.ts';
import { kafka, type SecureListener, securedKafka } from './kafka.ts';
import { postgres } from './postgres.ts';
import { gone, sayIdentity, signalAll, signalTo } from './process.ts';
import type { Recipe } from './recipe.ts';
import { redis, redisCluster } from './redis.ts';

export interface PrivateOptions {
  /** Where data, settings and log are; nobody else's, and the caller's to remove. */
  readonly dir: string;
  /** Unset: a free one. It stays the same over restarts. */
  readonly port?: number;
}

/** A service that a test may treat as it likes. It does not outlive the test's process. */
export interface PrivateInstance {
  readonly url: string;
  /** Of the program's first process; another one after a restart. */
  readonly pid: number;
  /**
   * Ends it with the signal, default SIGKILL, which all its processes get; any other only the first one.
   * Resolves when it is gone, rejects when it is not after 30 s.
   */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Stops all its processes where they stand: connections stay open and nothing answers. */
  freeze(): void;
  thaw(): void;
  /** Starts it on the same data and port, stopping it first if it runs. Resolves when it is ready. */
  restart(): Promise<void>;
  /**
   * Ends it in good order and for good. Resolves when it is gone; the data stays. Repeated calls do nothing.
   */
  stop(): Promise<void>;
}

/**
 * Kafka with the settings `npm run services` gives it; `url` is the broker's address, which wants no login
 * whatever `secure` says of another. Rejects like `startInstance`.
 */
export const startKafka = ({
  secure,
  ...options
}: PrivateOptions & { readonly secure?: SecureListener | undefined }) =>
  startPrivate(secure ? securedKafka(secure) : kafka, options);

/**
 * Redis, or with `cluster` a Redis Cluster of one node, for sharded pub/sub. Rejects like `startInstance`.
 */
export const startRedis = ({
  cluster = false,
  ...options
}: PrivateOptions & { readonly cluster?: boolean }) => startPrivate(cluster ? redisCluster : redis, options);

/** PostgreSQL; `url` has a user who may do everything. Rejects like `startInstance`. */
export const startPostgres = (options: PrivateOptions) => startPrivate(postgres, options);

const killTimeoutMs = 30_000;

async function startPrivate(recipe: Recipe, { dir, port }: PrivateOptions): Promise<PrivateInstance> {
  const directory = resolve(dir);
  const cache = defaultDirectory;
  makeDirectory(cache);
  const dismiss = killWithUs(recordFile(directory));
  let instance: Instance;
  try {
    instance = await startInstance(recipe, { directory, cache, port });
  } catch (error) {
    dismiss();
    throw error;
  }
  const fixedPort = portOf(instance.url);
  return {
    url: instance.url,
    get pid() {
      return instance.process.pid;
    },
    async kill(signal = 'SIGKILL') {
      let processes: readonly Instance['process'][] = [instance.process];
      if (signal === 'SIGKILL') processes = signalAll(instance.process, signal);
      else signalTo(instance.process, signal);
      if (!(await gone(processes, killTimeoutMs))) throw new Error(`${recipe.name} survived ${signal}`);
      rmSync(recordFile(directory), { force: true });
    },
    freeze: () => void signalAll(instance.process, 'SIGSTOP'),
    thaw: () => void signalAll(instance.process, 'SIGCONT'),
    async restart() {
      const running = findInstance(directory);
      if (running !== undefined) await stopInstance(recipe, directory, running);
      instance = await startInstance(recipe, { directory, cache, port: fixedPort });
    },
    async stop() {
      await stopInstance(recipe, directory, instance);
      dismiss();
    },
  };
}

/** Kafka's has no scheme. */
const portOf = (url: string) => Number(new URL(url.includes('://') ? url : `kafka://${url}`).port);

/**
 * A shell that waits for the end of its input, which comes when this process dies, however that happens, and
 * then kills the instance on record, if it still is that one. PostgreSQL's children notice by themselves,
 * unless they are frozen.
 */
const janitor = `
cat > /dev/null
read -r pid started < "$1" || exit
[ "$(${sayIdentity('$pid')})" = "$(cat "$1")" ] || exit
kill -KILL "-$pid" $(cat "/proc/$pid/task/$pid/children")
`;

/** Returns a function that ends the arrangement; whatever is on record then must be stopped already. */
function killWithUs(record: string): () => void {
  const child = spawn('/bin/sh', ['-c', janitor, 'sh', record], {
    // In a session of its own it survives the Ctrl-C that ends us.
    detached: true,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  child.unref();
  return () => child.stdin.end();
}

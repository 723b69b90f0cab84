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
  /** The directory of data, settings and log. No other instance may use it, and the caller removes it. */
  readonly dir: string;
  /** The port. Defaults to a free port. A restart keeps the port. */
  readonly port?: number;
}

/** A service for one test, which may kill or freeze it. The service ends with the process of the test. */
export interface PrivateInstance {
  readonly url: string;
  /** The id of the program's first process. A restart changes the id. */
  readonly pid: number;
  /**
   * Ends the service with the signal. Defaults to SIGKILL. SIGKILL goes to all processes of the service, and
   * any other signal goes to the first process only. Resolves when the processes have ended. Rejects if a
   * process still runs after 30 s.
   */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Pauses all processes of the service. Connections stay open, and the service does not answer. */
  freeze(): void;
  thaw(): void;
  /**
   * Starts the service on the same data and port. A running service is stopped first. Resolves when the
   * service is ready.
   */
  restart(): Promise<void>;
  /**
   * Stops the service gracefully. Resolves when the service has ended. The data stays. Repeated calls do
   * nothing.
   */
  stop(): Promise<void>;
}

/**
 * Starts Kafka with the settings of `npm run services`. `url` is the address of the listener without a login,
 * even if `secure` adds another listener. Rejects like `startInstance`.
 */
export const startKafka = ({
  secure,
  ...options
}: PrivateOptions & { readonly secure?: SecureListener | undefined }) =>
  startPrivate(secure ? securedKafka(secure) : kafka, options);

/**
 * Starts Redis, or with `cluster` a Redis Cluster of one node for sharded pub/sub. Rejects like
 * `startInstance`.
 */
export const startRedis = ({
  cluster = false,
  ...options
}: PrivateOptions & { readonly cluster?: boolean }) => startPrivate(cluster ? redisCluster : redis, options);

/** Starts PostgreSQL. `url` names a superuser. Rejects like `startInstance`. */
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

/** Returns the port of a URL. Kafka's URL has no scheme. */
const portOf = (url: string) => Number(new URL(url.includes('://') ? url : `kafka://${url}`).port);

/**
 * A shell script that waits for the end of its input. The input ends when this process dies for any reason.
 * Then the script kills the recorded instance, unless a later process has the same number. The script also
 * kills PostgreSQL's children, because frozen children do not notice that their parent has died.
 */
const janitor = `
cat > /dev/null
read -r pid started < "$1" || exit
[ "$(${sayIdentity('$pid')})" = "$(cat "$1")" ] || exit
kill -KILL "-$pid" $(cat "/proc/$pid/task/$pid/children")
`;

/**
 * Starts the janitor. The returned function ends the janitor. Stop the recorded instance before you call the
 * returned function.
 */
function killWithUs(record: string): () => void {
  const child = spawn('/bin/sh', ['-c', janitor, 'sh', record], {
    // A separate session protects the janitor from the Ctrl-C that ends this process.
    detached: true,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  child.unref();
  return () => child.stdin.end();
}

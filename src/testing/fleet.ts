import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type PrivateInstance,
  startKafka,
  startPostgres,
  startRedis,
} from '../../scripts/services/private.ts';
import { createKafkaEventLog } from '../adapters/kafka/event-log.ts';
import { topics } from '../events/topic.ts';
import type { EventLog } from '../ports/event-log.ts';
import { silent } from '../ports/logger.ts';
import { type Program, startProgram } from './program.ts';

const partitions = 4;

/** Kafka, Redis and PostgreSQL for one suite, and processes of the program that use these services. */
export interface Fleet {
  readonly kafka: PrivateInstance;
  readonly redis: PrivateInstance;
  readonly postgres: PrivateInstance;
  /** The environment of every process of the fleet, except the variable with the role of the process. */
  readonly env: Readonly<Record<string, string>>;
  /** Opens the log of the fleet, so that a test can send records that the program would never send. */
  openLog(): EventLog;
  /** Starts a process. Resolves when the process is ready. */
  start(role: 'api' | 'worker', doom?: { readonly point: string; readonly count: number }): Promise<Program>;
  /** Stops the running processes with SIGTERM. Rejects if the exit code of a process is not 0. */
  stopPrograms(): Promise<void>;
  /** Stops the processes and the backends. */
  stop(): Promise<void>;
}

/** Starts the backends, which takes about 5 s. Every process gets the variables in `more`. */
export async function openFleet(more: Readonly<Record<string, string>> = {}): Promise<Fleet> {
  const directory = mkdtempSync(join(tmpdir(), 'unseen-fleet-'));
  const [kafka, redis, postgres] = await Promise.all([
    startKafka({ dir: join(directory, 'kafka') }),
    startRedis({ dir: join(directory, 'redis') }),
    startPostgres({ dir: join(directory, 'postgres') }),
  ]);
  const env = {
    DATABASE_URL: postgres.url,
    KAFKA_BROKERS: kafka.url,
    REDIS_URL: redis.url,
    KAFKA_PARTITIONS: String(partitions),
    // Kafka should notice a dead process soon.
    KAFKA_SESSION_TIMEOUT_SEC: '2',
    RESYNC_INTERVAL_SEC: '5',
    ...more,
  };
  const programs = new Set<Program>();

  async function stopPrograms(): Promise<void> {
    const running = [...programs].filter((program) => program.isRunning());
    programs.clear();
    const codes = await Promise.all(running.map((program) => program.end('SIGTERM')));
    if (codes.some((code) => code !== 0)) {
      const logs = running.map((program, n) => `exit ${codes[n]}:\n${program.log().slice(-2_000)}`);
      throw new Error(`a process of the fleet failed to stop with exit code 0\n${logs.join('\n')}`);
    }
  }

  return {
    kafka,
    redis,
    postgres,
    env,
    openLog: () =>
      createKafkaEventLog(
        {
          logger: silent,
          onFatal: (error) => {
            throw error;
          },
        },
        {
          brokers: [kafka.url],
          clientId: 'outside',
          ssl: false,
          partitions,
          replicationFactor: -1,
          retentionMs: 86_400_000,
          compression: 'none',
          topics: Object.values(topics),
        },
      ),
    async start(role, doom) {
      const entry = doom && {
        entry: ['.build/testing/doomed.js', doom.point, String(doom.count)],
      };
      const program = await startProgram({ ...env, ROLES: role }, entry);
      programs.add(program);
      return program;
    },
    stopPrograms,
    async stop() {
      try {
        await stopPrograms();
      } finally {
        await Promise.all([kafka.stop(), redis.stop(), postgres.stop()]);
        rmSync(directory, { recursive: true, force: true });
      }
    },
  };
}

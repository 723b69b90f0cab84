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

/** Kafka, Redis and PostgreSQL of a suite's own, and processes of the program on them. */
export interface Fleet {
  readonly kafka: PrivateInstance;
  readonly redis: PrivateInstance;
  readonly postgres: PrivateInstance;
  /** What a process of the fleet has in its environment, its role excepted. */
  readonly env: Readonly<Record<string, string>>;
  /** The same log, for what no program would send. */
  openLog(): EventLog;
  /** Starts a process; resolves when it is ready. */
  start(role: 'api' | 'worker', doom?: { readonly point: string; readonly count: number }): Promise<Program>;
  /** Ends the processes that still run, in good order; rejects when one of them did not end well. */
  stopPrograms(): Promise<void>;
  /** Ends everything. */
  stop(): Promise<void>;
}

/** Resolves when the backends are ready; about 5 s. `more` is set for every process. */
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
    // The dead are to be missed soon.
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
      throw new Error(`a process did not end well\n${logs.join('\n')}`);
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

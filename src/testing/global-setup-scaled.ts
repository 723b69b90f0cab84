import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startKafka, startPostgres, startRedis } from '../../scripts/services/private.ts';
import { provideTemplate } from './global-setup.ts';

/**
 * Kafka, Redis and PostgreSQL for the end-to-end suites that run scaled out; rejects where they cannot be had, so that
 * nothing is left out in silence.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = mkdtempSync(join(tmpdir(), 'unseen-scaled-'));
  const [kafka, redis, postgres] = await Promise.all([
    startKafka({ dir: join(directory, 'kafka') }),
    startRedis({ dir: join(directory, 'redis') }),
    startPostgres({ dir: join(directory, 'postgres') }),
  ]);
  await provideTemplate(project, postgres.url);
  project.provide('services', { kafkaBrokers: kafka.url, redisUrl: redis.url });
  return async () => {
    await Promise.all([kafka.stop(), redis.stop(), postgres.stop()]);
    rmSync(directory, { recursive: true, force: true });
  };
}

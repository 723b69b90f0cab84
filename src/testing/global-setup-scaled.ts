import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { missingForServices } from '../../scripts/services/lifecycle.ts';
import { startKafka, startPostgres, startRedis } from '../../scripts/services/private.ts';
import { provideTemplate } from './global-setup.ts';
import { demandPrograms } from './tags.ts';

/**
 * Starts Kafka, Redis and PostgreSQL for the end-to-end suites that run scaled out. If a program is missing,
 * the setup starts nothing, and the tag `end-to-end` skips the suites with the reason. In CI a missing
 * program is an error.
 */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  demandPrograms();
  if (missingForServices().length > 0) return undefined;
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

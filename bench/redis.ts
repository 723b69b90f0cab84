import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedis } from '../scripts/services/private.ts';

export interface BenchRedis {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a Redis for the bench in a temporary directory. */
export async function startBenchRedis(): Promise<BenchRedis> {
  const dir = mkdtempSync(join(tmpdir(), 'unseen-bench-redis-'));
  const redis = await startRedis({ dir });
  return {
    url: redis.url,
    async stop() {
      await redis.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

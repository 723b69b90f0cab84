import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startKafka } from '../scripts/services/private.ts';

export interface BenchKafka {
  /** `host:port` */
  readonly broker: string;
  stop(): Promise<void>;
}

/** Starts a Kafka for the bench in a temporary directory. */
export async function startBenchKafka(): Promise<BenchKafka> {
  const dir = mkdtempSync(join(tmpdir(), 'unseen-bench-kafka-'));
  const kafka = await startKafka({ dir });
  return {
    broker: kafka.url,
    async stop() {
      await kafka.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

import './patch-kafkajs.ts';
import { Kafka, type logCreator, logLevel, type SASLOptions } from 'kafkajs';
import type { Logger } from '../../ports/logger.ts';
import type { Settings } from './options.ts';

/** The maximum time, in ms, that a request waits for an answer while its connection is open. */
const requestTimeoutMs = 10_000;

/**
 * kafkajs retries for about 3 s. Then the caller decides whether to try again. All values are set, because
 * kafkajs has other defaults under NODE_ENV=test.
 */
export const retry = { initialRetryTime: 100, multiplier: 2, maxRetryTime: 1_000, factor: 0.2, retries: 5 };

/**
 * Returns a function that creates a client. Each consumer needs its own client, because consumers of the same
 * client and group share a cache of offsets and corrupt the cache for each other.
 */
export function createConnect({ logger }: { readonly logger: Logger }, settings: Settings): () => Kafka {
  const { brokers, clientId, ssl, sasl } = settings;
  const log = quietly(logger);
  return () =>
    new Kafka({
      brokers: [...brokers],
      clientId,
      ssl,
      // The object is copied, because kafkajs writes to it and the configuration is frozen.
      ...(sasl && { sasl: { ...sasl } as SASLOptions }),
      connectionTimeout: 3_000,
      requestTimeout: requestTimeoutMs,
      retry,
      logLevel: logLevel.WARN,
      logCreator: () => log,
    });
}

const quietMs = 30_000;

/**
 * kafkajs logs this warning about a setting that producer.ts uses intentionally. The warning is not logged.
 */
const expected = 'Limiting retries for the idempotent producer may invalidate EoS guarantees';

/**
 * Limits the log lines of kafkajs. While a broker is unreachable, kafkajs logs several lines per second. This
 * function logs at most one line per 30 s for each part of kafkajs, with the number of suppressed lines.
 * Every line is a warning, because this adapter itself reports the errors that need an operator.
 */
function quietly(logger: Logger): ReturnType<logCreator> {
  const logged = new Map<string, { readonly at: number; heldBack: number }>();
  return ({ namespace, log }) => {
    if (log.message === expected) return;
    const last = logged.get(namespace);
    const now = performance.now();
    if (last && now - last.at < quietMs) {
      last.heldBack += 1;
      return;
    }
    logged.set(namespace, { at: now, heldBack: 0 });
    const { message: reason, broker, groupId, error } = log as Record<string, unknown> & typeof log;
    const fields = { part: namespace, reason, broker, groupId, error: String(error ?? '') };
    logger.warn({ ...fields, heldBack: last?.heldBack ?? 0 }, 'the Kafka client reports a problem');
  };
}

import './patch-kafkajs.ts';
import { Kafka, type logCreator, logLevel, type SASLOptions } from 'kafkajs';
import type { Logger } from '../../ports/logger.ts';
import type { Settings } from './options.ts';

/** The limit for a request that hangs while its connection is open, in ms. */
const requestTimeoutMs = 10_000;

/**
 * Retries for about 3 s. The caller decides whether to continue. All values are set, because kafkajs uses
 * other defaults under NODE_ENV=test.
 */
export const retry = { initialRetryTime: 100, multiplier: 2, maxRetryTime: 1_000, factor: 0.2, retries: 5 };

/**
 * Returns a function that creates a client. Each user needs its own client, because consumers of the same
 * client and group share a cache of offsets and corrupt it for each other.
 */
export function createConnect({ logger }: { readonly logger: Logger }, settings: Settings): () => Kafka {
  const { brokers, clientId, ssl, sasl } = settings;
  const log = quietly(logger);
  return () =>
    new Kafka({
      brokers: [...brokers],
      clientId,
      ssl,
      // This is a copy, because kafkajs writes to it and the configuration is frozen.
      ...(sasl && { sasl: { ...sasl } as SASLOptions }),
      connectionTimeout: 3_000,
      requestTimeout: requestTimeoutMs,
      retry,
      logLevel: logLevel.WARN,
      logCreator: () => log,
    });
}

const quietMs = 30_000;

/** A warning of kafkajs about a deliberate setting (see producer.ts). */
const expected = 'Limiting retries for the idempotent producer may invalidate EoS guarantees';

/**
 * Limits the log lines of kafkajs. While a broker is away, kafkajs logs several lines a second. This logs one
 * line per part of kafkajs and 30 s, with the number of suppressed lines. Every line is a warning, because
 * this adapter itself reports the errors that need an operator.
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

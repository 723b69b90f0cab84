import './patch-kafkajs.ts';
import { Kafka, type logCreator, logLevel, type SASLOptions } from 'kafkajs';
import type { Logger } from '../../ports/logger.ts';
import type { Settings } from './options.ts';

/** For a request that hangs with its connection open. */
const requestTimeoutMs = 10_000;

/**
 * Tries for about 3 s; whoever calls decides about going on. All values are given: under NODE_ENV=test kafkajs would take
 * others.
 */
export const retry = { initialRetryTime: 100, multiplier: 2, maxRetryTime: 1_000, factor: 0.2, retries: 5 };

/**
 * Returns a function that makes a client. Each user has one of its own: consumers of one client and group share the memory
 * of their offsets and spoil it for each other.
 */
export function createConnect({ logger }: { readonly logger: Logger }, settings: Settings): () => Kafka {
  const { brokers, clientId, ssl, sasl } = settings;
  const log = quietly(logger);
  return () =>
    new Kafka({
      brokers: [...brokers],
      clientId,
      ssl,
      // A copy: kafkajs writes into it, and the configuration is frozen.
      ...(sasl && { sasl: { ...sasl } as SASLOptions }),
      connectionTimeout: 3_000,
      requestTimeout: requestTimeoutMs,
      retry,
      logLevel: logLevel.WARN,
      logCreator: () => log,
    });
}

const quietMs = 30_000;

/** The idempotent producer's advice against what we do on purpose; see producer.ts. */
const expected = 'Limiting retries for the idempotent producer may invalidate EoS guarantees';

/**
 * While a broker is away the client says so several times a second: one line for each of its parts and 30 s passes, with
 * the number of those held back. All are warnings: what someone should look at we say ourselves.
 */
function quietly(logger: Logger): ReturnType<logCreator> {
  const said = new Map<string, { readonly at: number; heldBack: number }>();
  return ({ namespace, log }) => {
    if (log.message === expected) return;
    const last = said.get(namespace);
    const now = performance.now();
    if (last && now - last.at < quietMs) {
      last.heldBack += 1;
      return;
    }
    said.set(namespace, { at: now, heldBack: 0 });
    const { message: reason, broker, groupId, error } = log as Record<string, unknown> & typeof log;
    const fields = { part: namespace, reason, broker, groupId, error: String(error ?? '') };
    logger.warn({ ...fields, heldBack: last?.heldBack ?? 0 }, 'the Kafka client reports trouble');
  };
}

import type { EventEmitter } from 'node:events';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { Logger } from '../../ports/logger.ts';

/** Where Redis is. */
export interface RedisLocation {
  /** `redis://` or, with TLS, `rediss://`; user, password and database as usual in it. */
  readonly url: string;
  /** The URL is of one node of a Redis Cluster: sharded pub/sub, and keys spread over its nodes. */
  readonly cluster: boolean;
  /** Before every channel and key, so that several installations can share a Redis. Default ''. */
  readonly namespace?: string;
}

const maxReconnectDelayMs = 2_000;

const retryStrategy = (attempt: number) =>
  Math.min(maxReconnectDelayMs, 50 * 2 ** attempt) * (0.5 + Math.random() / 2);

/**
 * What every connection has in common. It comes back by itself, for ever. What was sent and not answered when it broke is
 * not sent again: ioredis leaves the promises of such commands pending, so nobody may wait for one without a deadline.
 * (For the same reason no auto-pipelining: it waits for its last batch.)
 */
const common = {
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: null,
  connectTimeout: 5_000,
} satisfies RedisOptions;

/**
 * A connection to one node. Commands are refused while it is not there, and it is given up, and made anew, when a
 * command has waited `silenceMs` for any sign of life.
 */
export function connectNode(url: string, options: { readonly silenceMs: number }): Redis {
  return new Redis(url, {
    ...common,
    retryStrategy,
    enableOfflineQueue: false,
    socketTimeout: options.silenceMs,
  });
}

/** Connections to the nodes of a cluster, as they are needed. */
export function connectCluster(url: string, options: { readonly silenceMs: number }): Cluster {
  const { hostname, port, username, password, protocol } = new URL(url);
  return new Cluster([{ host: hostname, port: Number(port || 6379) }], {
    clusterRetryStrategy: retryStrategy,
    slotsRefreshInterval: 10_000,
    // Nothing is tried again by itself: it is late by then.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    // With names looked up before, certificates would have to be made out to addresses.
    dnsLookup: (address, callback) => callback(null, address),
    redisOptions: {
      ...common,
      socketTimeout: options.silenceMs,
      ...(username && { username: decodeURIComponent(username) }),
      ...(password && { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' && { tls: {} }),
    },
  });
}

const reminderMs = 60_000;

/**
 * Says when something is away and when it is back, in as few lines: one when the first connection goes or the first use
 * fails, one when the last is back, and at most one a minute between, whatever is told in the meantime.
 */
export function createOutageReport({ logger }: { readonly logger: Logger }, what: string) {
  const away = new Set<unknown>();
  let saidAt: number | undefined;

  function trouble(err: unknown): void {
    const now = performance.now();
    if (saidAt !== undefined && now - saidAt < reminderMs) return;
    saidAt = now;
    logger.warn({ err }, `${what} is interrupted`);
  }

  return {
    /** Something failed, whether or not a connection is lost. */
    trouble,
    /** Follows a connection until it is closed. */
    follow(connection: EventEmitter): void {
      const goes = (err?: unknown) => {
        away.add(connection);
        trouble(err);
      };
      connection.on('error', goes).on('close', goes);
      connection.on('ready', () => {
        if (!away.delete(connection) || away.size > 0) return;
        saidAt = undefined;
        logger.info({}, `${what} is back`);
      });
    },
    /** It is being closed on purpose: nothing more of it matters. */
    forget(connection: EventEmitter): void {
      away.delete(connection);
      for (const event of ['error', 'close', 'ready']) connection.removeAllListeners(event);
      // Without a listener ioredis writes errors to the console.
      connection.on('error', () => {});
    },
  };
}

export type OutageReport = ReturnType<typeof createOutageReport>;

import type { EventEmitter } from 'node:events';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { Logger } from '../../ports/logger.ts';

/** The location of Redis. */
export interface RedisLocation {
  /** A URL with `redis://`, or with `rediss://` for TLS. It may contain user, password and database. */
  readonly url: string;
  /**
   * Whether the URL leads to a node of a Redis Cluster. Then pub/sub is sharded, and keys are spread over the
   * nodes.
   */
  readonly cluster: boolean;
  /** A prefix of every channel and key, so that several installations can share a Redis. Defaults to ''. */
  readonly namespace?: string;
}

const maxReconnectDelayMs = 2_000;

const retryStrategy = (attempt: number) =>
  Math.min(maxReconnectDelayMs, 50 * 2 ** attempt) * (0.5 + Math.random() / 2);

/**
 * Options that all connections share. A connection reconnects by itself, forever. A command that was sent but
 * not answered when the connection broke is not sent again. ioredis leaves its promise pending, so every
 * command needs a deadline. Auto-pipelining is off for the same reason, because it waits for its last batch.
 */
const common = {
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: null,
  connectTimeout: 5_000,
} satisfies RedisOptions;

/**
 * Opens a connection to one node. Commands fail while it is not connected. If a command has waited
 * `silenceMs` for any sign of life, the connection is replaced.
 */
export function connectNode(url: string, options: { readonly silenceMs: number }): Redis {
  return new Redis(url, {
    ...common,
    retryStrategy,
    enableOfflineQueue: false,
    socketTimeout: options.silenceMs,
  });
}

/** Creates a client of a cluster. It connects to the nodes on demand. */
export function connectCluster(url: string, options: { readonly silenceMs: number }): Cluster {
  const { hostname, port, username, password, protocol } = new URL(url);
  return new Cluster([{ host: hostname, port: Number(port || 6379) }], {
    clusterRetryStrategy: retryStrategy,
    slotsRefreshInterval: 10_000,
    // The client retries nothing, because the result would be too late.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    // The client must not resolve names, because the certificates are issued for names rather than addresses.
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
 * Creates a report that logs when something is away and when it is back, in few lines: one when the first
 * connection is lost or the first use fails, one when the last connection is back, and at most one a minute
 * in between.
 */
export function createOutageReport({ logger }: { readonly logger: Logger }, what: string) {
  const away = new Set<unknown>();
  let loggedAt: number | undefined;

  function trouble(err: unknown): void {
    const now = performance.now();
    if (loggedAt !== undefined && now - loggedAt < reminderMs) return;
    loggedAt = now;
    logger.warn({ err }, `${what} is interrupted`);
  }

  return {
    /** Reports a failure, whether or not a connection is lost. */
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
        loggedAt = undefined;
        logger.info({}, `${what} is back`);
      });
    },
    /** Stops following a connection that is closed on purpose. */
    forget(connection: EventEmitter): void {
      away.delete(connection);
      for (const event of ['error', 'close', 'ready']) connection.removeAllListeners(event);
      // Without a listener ioredis writes errors to the console.
      connection.on('error', () => {});
    },
  };
}

export type OutageReport = ReturnType<typeof createOutageReport>;

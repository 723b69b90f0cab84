import type { EventEmitter } from 'node:events';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { Logger } from '../../ports/logger.ts';

/** The address of Redis, and how to use it. */
export interface RedisLocation {
  /** A URL with `redis://`, or with `rediss://` for TLS. It may contain a user, a password and a database. */
  readonly url: string;
  /**
   * Whether the URL is the address of a node of a Redis Cluster. Then pub/sub is sharded, and keys are
   * distributed over the nodes.
   */
  readonly cluster: boolean;
  /** A prefix of all channels and keys. It allows several installations to share a Redis. Defaults to ''. */
  readonly namespace?: string;
}

const maxReconnectDelayMs = 2_000;

const retryStrategy = (attempt: number) =>
  Math.min(maxReconnectDelayMs, 50 * 2 ** attempt) * (0.5 + Math.random() / 2);

/**
 * The options of all connections. A connection reconnects automatically and without a limit. If the
 * connection breaks after a command was sent and before its answer, ioredis does not send the command again
 * and leaves its promise pending. So every command needs a deadline. Auto-pipelining is off, because after
 * such a break it would wait forever for its last batch.
 */
const common = {
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: null,
  connectTimeout: 5_000,
} satisfies RedisOptions;

/**
 * Opens a connection to one node. Commands fail while there is no connection. If a command waits and Redis
 * sends nothing for `silenceMs`, the connection is replaced.
 */
export function connectNode(url: string, options: { readonly silenceMs: number }): Redis {
  return new Redis(url, {
    ...common,
    retryStrategy,
    enableOfflineQueue: false,
    socketTimeout: options.silenceMs,
  });
}

/** Creates a client of a cluster. The client connects to a node when the node is needed. */
export function connectCluster(url: string, options: { readonly silenceMs: number }): Cluster {
  const { hostname, port, username, password, protocol } = new URL(url);
  return new Cluster([{ host: hostname, port: Number(port || 6379) }], {
    clusterRetryStrategy: retryStrategy,
    slotsRefreshInterval: 10_000,
    // The client does not retry commands, because a late result is useless.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    // The client must not resolve names to addresses, because the certificates contain names.
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
 * Creates a report that logs when a service becomes unreachable and when it is reachable again. It logs one
 * line when the first connection is lost or the first command fails, at most one line per minute during the
 * outage, and one line when all connections work again.
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
    /** Reports a failure, even if no connection is lost. */
    trouble,
    /** Observes a connection until `forget`. */
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
    /** Stops observing a connection that is closed intentionally. */
    forget(connection: EventEmitter): void {
      away.delete(connection);
      for (const event of ['error', 'close', 'ready']) connection.removeAllListeners(event);
      // Without a listener ioredis writes errors to the console.
      connection.on('error', () => {});
    },
  };
}

export type OutageReport = ReturnType<typeof createOutageReport>;

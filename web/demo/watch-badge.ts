import { type Client, createClient } from 'graphql-ws';
import { backoffMs } from '../backoff.ts';
import { webSocketUrl } from '../config.ts';
import type { Credentials } from '../credentials.ts';
import { WatchBadgeDocument, type WatchBadgeSubscription } from '../generated/graphql.ts';
import { ApiError, codeOf, inWords } from './api.ts';

const PING_EVERY_MS = 10_000;
const PONG_WITHIN_MS = 5_000;
const CONNECT_WITHIN_MS = 10_000;

const TOKEN_REFUSED = 4401;
const TOKEN_EXPIRED = 4403;

/** The state of the socket that the page shows. */
export type ConnectionState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'waiting'; readonly waitMs: number };

export interface WatchBadgeOptions {
  readonly credentials: Credentials;
  onState(state: ConnectionState): void;
  onUpdate(update: WatchBadgeSubscription['badgeChanged']): void;
  onError(error: ApiError): void;
  /** Called after the server has refused the token and watching has stopped. */
  onRefused(): void;
}

/**
 * Follows the badge of the caller through outages until `stop` is called. Every connection begins with a
 * SNAPSHOT, so the page misses nothing.
 */
export function watchBadge({ credentials, onState, onUpdate, onError, onRefused }: WatchBadgeOptions) {
  let stopped = false;
  let end = (): void => {};
  const backoff = createBackoff((waitMs) => onState({ kind: 'waiting', waitMs }));

  function start(): void {
    end = connect({
      credentials,
      onState,
      shouldRetry: () => !stopped,
      retryWait: backoff.wait,
      onUpdate(update) {
        backoff.reset();
        onState({ kind: 'live' });
        onUpdate(update);
      },
      onError,
      onRefused: refused,
      onEnd: () => void startAgain(),
    });
  }

  /**
   * Starts a new client after a failure that graphql-ws does not retry. The bell retries after every failure
   * except a refused token.
   */
  async function startAgain(): Promise<void> {
    if (stopped) return;
    end();
    await backoff.wait();
    if (!stopped) start();
  }

  function refused(): void {
    if (stopped) return;
    stop();
    onRefused();
  }

  function stop(): void {
    stopped = true;
    backoff.cancel();
    end();
  }

  start();
  return { retryNow: backoff.wake, stop };
}

/**
 * Creates the waits between the tries. Each wait is longer than the previous wait. `reset` makes the next
 * wait short again.
 */
function createBackoff(onWait: (waitMs: number) => void) {
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let resolveWait = (): void => {};
  return {
    async wait(): Promise<void> {
      const waitMs = backoffMs(failures);
      failures += 1;
      onWait(waitMs);
      await new Promise<void>((resolve) => {
        resolveWait = resolve;
        timer = setTimeout(resolve, waitMs);
      });
      clearTimeout(timer);
    },
    reset(): void {
      failures = 0;
    },
    /** Ends the current wait immediately. */
    wake: () => resolveWait(),
    /** Never resolves the current wait. If the wait resolved, the client would connect once more. */
    cancel: () => clearTimeout(timer),
  };
}

interface ConnectOptions extends WatchBadgeOptions {
  shouldRetry(): boolean;
  retryWait(): Promise<void>;
  /** Called when the subscription has ended and graphql-ws does not retry. */
  onEnd(): void;
}

/** Subscribes with a new client. The returned function ends the subscription and the client. */
function connect(options: ConnectOptions): () => void {
  const { credentials, onState, shouldRetry, retryWait, onRefused } = options;
  let deadline: ReturnType<typeof setTimeout> | undefined;
  const expectWithin = (ms: number): void => {
    clearTimeout(deadline);
    // On a silent network, close() would wait for the closing handshake. terminate() does not wait.
    deadline = setTimeout(() => client.terminate(), ms);
  };
  const client = createClient({
    url: webSocketUrl(),
    connectionParams: () => ({ authorization: `Bearer ${credentials.token('user') ?? ''}` }),
    lazy: false,
    // The subscription receives the same errors and reports them.
    onNonLazyError: () => {},
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry,
    retryWait,
    keepAlive: PING_EVERY_MS,
    on: {
      connecting: () => {
        onState({ kind: 'connecting' });
        expectWithin(CONNECT_WITHIN_MS);
      },
      connected: () => clearTimeout(deadline),
      ping: (received) => {
        if (!received) expectWithin(PONG_WITHIN_MS);
      },
      pong: (received) => {
        if (received) clearTimeout(deadline);
      },
      closed: (event) => {
        clearTimeout(deadline);
        const code = closeCode(event);
        if (code === TOKEN_REFUSED || code === TOKEN_EXPIRED) onRefused();
      },
    },
  });
  const unsubscribe = subscribe(client, options);
  return () => {
    clearTimeout(deadline);
    unsubscribe();
    // `dispose` rejects if the last attempt failed, which was already reported.
    Promise.resolve(client.dispose()).catch(() => {});
  };
}

function subscribe(client: Client, { onUpdate, onError, onRefused, onEnd }: ConnectOptions): () => void {
  return client.subscribe<WatchBadgeSubscription>(
    { query: WatchBadgeDocument.toString() },
    {
      next({ data, errors }) {
        const problem = errors?.[0];
        if (problem) onError(new ApiError(codeOf(problem), inWords(problem)));
        if (data) onUpdate(data.badgeChanged);
      },
      error(reason) {
        const problem = Array.isArray(reason) ? reason[0] : undefined;
        if (problem) onError(new ApiError(codeOf(problem), inWords(problem)));
        if (problem && codeOf(problem) === 'UNAUTHENTICATED') onRefused();
        onEnd();
      },
      complete: onEnd,
    },
  );
}

function closeCode(event: unknown): number | undefined {
  return typeof event === 'object' && event !== null && 'code' in event && typeof event.code === 'number'
    ? event.code
    : undefined;
}

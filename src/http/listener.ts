import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AppError } from '../domain/error.ts';
import type { Logger } from '../ports/logger.ts';
import type { DemoEndpoint } from './demo-session.ts';
import type { GraphQLOverHttp } from './graphql-http.ts';
import type { GraphQLOverWebSocket } from './graphql-ws.ts';
import type { Metrics } from './metrics.ts';
import { answerError, answerJson, answerText, requestIdOf } from './response.ts';
import { createTurns } from './turns.ts';

/** What a process answers at /graphql and on the pages. */
export interface GraphQLEndpoints {
  readonly graphql: GraphQLOverHttp;
  readonly sockets: GraphQLOverWebSocket;
  readonly demo: DemoEndpoint;
  readonly pages: (request: IncomingMessage, response: ServerResponse, path: string) => Promise<boolean>;
}

export interface Listener {
  /** Resolves with the address once connections are accepted. Rejects with START_REFUSED when the port cannot be had. */
  listen(host: string, port: number): Promise<{ readonly url: string }>;
  /** From now on operations are answered; before, with 503 UNAVAILABLE, and nothing is ready. */
  open(): void;
  /** Accepts nothing new, closes sockets with 1012, lets requests under way finish for at most `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>;
}

/** How long a client gets, so that a slow one does not hold a connection open. */
export interface RequestTimeouts {
  readonly headersMs: number;
  /** For headers and body together. */
  readonly requestMs: number;
  /** How often all connections are looked at. */
  readonly checkMs: number;
}

/**
 * Connections that the system accepts before the process does; it may allow fewer (`net.core.somaxconn`). Further clients try
 * again after 1 s and 3 s, so the first seconds after a restart would be slow.
 */
const backlog = 4_096;

/**
 * Sockets that are opened in one turn of the event loop. After a restart thousands of clients come back within a second, and
 * requests would wait until all of them are connected.
 */
const upgradesPerTurn = 8;

export const defaultRequestTimeouts: RequestTimeouts = {
  headersMs: 10_000,
  requestMs: 30_000,
  checkMs: 2_000,
};

/** One port for everything: `/graphql` over HTTP and WebSocket, the pages, the health checks. */
export function createListener(
  {
    endpoints,
    isReady,
    metrics,
    corsOrigins,
    logger,
  }: {
    /** undefined: this process answers nothing but the health checks. */
    readonly endpoints: GraphQLEndpoints | undefined;
    /** What is not ready, by name; empty when requests will succeed. */
    readonly isReady: () => Promise<readonly string[]>;
    readonly metrics: Metrics;
    readonly corsOrigins: readonly string[];
    readonly logger: Logger;
  },
  timeouts: RequestTimeouts = defaultRequestTimeouts,
): Listener {
  let state: 'starting' | 'open' | 'draining' = 'starting';

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').replace(/[?#].*/s, '');
    if (endpoints && path === '/graphql') {
      if (state === 'draining') response.setHeader('connection', 'close');
      if (allowOrigin(request, response) === 'answered') return;
      if (state === 'starting') {
        const message = 'The server is starting: a backend is waited for. Try again.';
        throw new AppError('UNAVAILABLE', message, { retryAfterSec: 1 });
      }
      const isBrowser = request.method === 'GET' && /text\/html/.test(request.headers.accept ?? '');
      if (isBrowser) redirect(response, `/playground${(request.url ?? '').slice('/graphql'.length)}`);
      else if (request.method === 'GET' || request.method === 'POST')
        await endpoints.graphql.handle(request, response);
      else {
        const message = 'Send operations by POST; queries may also go by GET.';
        response.setHeader('allow', 'GET, POST, OPTIONS');
        answerJson(response, 405, { errors: [{ message, extensions: { code: 'BAD_USER_INPUT' } }] });
      }
      return;
    }
    if (endpoints && path === '/demo/session' && request.method === 'POST') {
      answerJson(response, 200, await endpoints.demo(request));
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      answerJson(response, 405, { error: `${path} is only read. The API is at POST /graphql.` });
      return;
    }
    switch (path) {
      case '/healthz':
        answerJson(response, 200, { status: 'ok' });
        return;
      case '/metrics':
        answerText(response, 200, await metrics.text(), metrics.contentType);
        return;
      case '/readyz': {
        const missing = state === 'open' ? await isReady() : [state];
        answerJson(
          response,
          missing.length === 0 ? 200 : 503,
          missing.length === 0 ? { status: 'ready' } : { status: 'not ready', missing },
        );
        return;
      }
    }
    if (endpoints && path === '/') {
      redirect(response, '/playground');
      return;
    }
    if (await endpoints?.pages(request, response, path)) return;
    answerJson(response, 404, {
      error: endpoints
        ? 'Nothing here. The API is at /graphql, pages at /playground, /demo and /docs.'
        : 'Nothing here: this process is a worker. It answers /healthz, /readyz and /metrics.',
    });
  }

  /** CORS (https://fetch.spec.whatwg.org/#http-cors-protocol) without credentials: tokens travel in a header. */
  function allowOrigin(request: IncomingMessage, response: ServerResponse): 'answered' | 'go on' {
    const { origin } = request.headers;
    const isAllowed = origin !== undefined && (corsOrigins.includes(origin) || corsOrigins.includes('*'));
    if (corsOrigins.length > 0) response.setHeader('vary', 'origin');
    if (isAllowed) {
      response.setHeader('access-control-allow-origin', origin);
      response.setHeader(
        'access-control-expose-headers',
        'x-request-id, retry-after, ratelimit, ratelimit-policy',
      );
    }
    if (request.method !== 'OPTIONS') return 'go on';
    if (isAllowed) {
      response.setHeader('access-control-allow-methods', 'GET, POST');
      response.setHeader(
        'access-control-allow-headers',
        'authorization, content-type, apollo-require-preflight, x-request-id',
      );
      response.setHeader('access-control-max-age', '86400');
    }
    response.writeHead(204).end();
    return 'answered';
  }

  const server = createServer(
    {
      headersTimeout: timeouts.headersMs,
      requestTimeout: timeouts.requestMs,
      connectionsCheckingInterval: timeouts.checkMs,
      keepAliveTimeout: 65_000,
    },
    (request, response) => {
      route(request, response).catch((error) =>
        answerError(response, error, { requestId: requestIdOf(request), logger }),
      );
    },
  );
  const inTurn = createTurns(upgradesPerTurn);
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => {});
    inTurn(() => {
      const isThere = endpoints !== undefined && /^\/graphql(\?|$)/.test(request.url ?? '');
      if (isThere && state === 'open') {
        endpoints.sockets.upgrade(request, socket, head);
        return;
      }
      // A client that does not close its side would keep the process from ending.
      socket.once('finish', () => socket.destroy());
      const status = isThere ? '503 Service Unavailable' : '404 Not Found';
      socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\n\r\n`);
    });
  });

  return {
    async listen(host, port) {
      await new Promise<void>((resolve, reject) => {
        server.once('error', (error: NodeJS.ErrnoException) => reject(refusal(error, host, port)));
        server.listen({ port, host, backlog }, resolve);
      });
      const { port: actual } = server.address() as AddressInfo;
      const name =
        host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
      return { url: `http://${name}:${actual}` };
    },
    open() {
      if (state === 'starting') state = 'open';
    },
    async drain(timeoutMs) {
      state = 'draining';
      const closed = new Promise((resolve) => server.close(resolve));
      endpoints?.graphql.drain();
      await endpoints?.sockets.stop();
      const timeout = setTimeout(() => server.closeAllConnections(), timeoutMs);
      await closed;
      clearTimeout(timeout);
      await endpoints?.graphql.stop();
    },
  };
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(302, { location }).end();
}

function refusal(error: NodeJS.ErrnoException, host: string, port: number): unknown {
  const where = `${host}:${port}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return new AppError(
        'START_REFUSED',
        `${where} is in use by another program. Stop it, or choose a port: PORT=${port + 1}.`,
      );
    case 'EACCES':
      return new AppError(
        'START_REFUSED',
        `Listening on ${where} is not allowed. Choose a port from 1024 on: PORT=4000.`,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new AppError(
        'START_REFUSED',
        `${host} is not an address of this machine. Set HOST=127.0.0.1, or 0.0.0.0 for all.`,
      );
    default:
      return error;
  }
}

import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError } from '../domain/error.ts';
import type { Logger } from '../ports/logger.ts';
import { answerError, requestIdOf } from './response.ts';
import { type GraphQLEndpoints, type ListenerState, type RouteDeps, route } from './routes.ts';
import { createTurns } from './turns.ts';

export interface Listener {
  /**
   * Resolves with the address when the server accepts connections. Rejects with START_REFUSED if the server
   * cannot listen on the port.
   */
  listen(host: string, port: number): Promise<{ readonly url: string }>;
  /**
   * Begins to answer operations. Before this call, the server answers operations with 503 UNAVAILABLE, and
   * `/readyz` reports that the process is not ready.
   */
  open(): void;
  /**
   * Stops accepting connections, closes sockets with 1012, and gives running requests at most `timeoutMs` to
   * finish.
   */
  drain(timeoutMs: number): Promise<void>;
}

/**
 * The maximum times that a client may take to send a request, so that slow clients do not hold connections
 * open.
 */
export interface RequestTimeouts {
  readonly headersMs: number;
  /** The maximum time for the headers and the body together. */
  readonly requestMs: number;
  /** The interval at which the server checks all connections. */
  readonly checkMs: number;
}

/**
 * The number of connections that the operating system accepts for the process in advance. The operating
 * system may allow fewer (`net.core.somaxconn`). Clients over this number retry after 1 s and 3 s, so with a
 * small number the first seconds after a restart would be slow.
 */
const backlog = 4_096;

/**
 * The number of sockets that are opened per turn of the event loop. After a restart, thousands of clients
 * connect within a second. Without this limit, requests would wait until all clients are connected.
 */
const upgradesPerTurn = 8;

export const defaultRequestTimeouts: RequestTimeouts = {
  headersMs: 10_000,
  requestMs: 30_000,
  checkMs: 2_000,
};

/**
 * Creates the server that listens on one port for `/graphql` over HTTP and WebSocket, the pages and the
 * health checks.
 */
export function createListener(
  deps: RouteDeps & { readonly logger: Logger },
  timeouts: RequestTimeouts = defaultRequestTimeouts,
): Listener {
  const { endpoints, logger } = deps;
  let state: ListenerState = 'starting';

  const server = createServer(
    {
      headersTimeout: timeouts.headersMs,
      requestTimeout: timeouts.requestMs,
      connectionsCheckingInterval: timeouts.checkMs,
      keepAliveTimeout: 65_000,
    },
    (request, response) => {
      route(deps, state, request, response).catch((error) =>
        answerError(response, error, { requestId: requestIdOf(request), logger }),
      );
    },
  );
  const inTurn = createTurns(upgradesPerTurn);
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => {});
    inTurn(() => upgrade(endpoints, state, request, socket, head));
  });

  return {
    listen: (host, port) => listen(server, host, port),
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

async function listen(server: Server, host: string, port: number): Promise<{ readonly url: string }> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(startErrorOf(error, host, port)));
    server.listen({ port, host, backlog }, resolve);
  });
  const { port: actual } = server.address() as AddressInfo;
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return { url: `http://${name}:${actual}` };
}

/** Opens a WebSocket at /graphql. Refuses an upgrade of any other path. */
function upgrade(
  endpoints: GraphQLEndpoints | undefined,
  state: ListenerState,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  const isSocketPath = endpoints !== undefined && /^\/graphql(\?|$)/.test(request.url ?? '');
  if (isSocketPath && state === 'open') {
    endpoints.sockets.upgrade(request, socket, head);
    return;
  }
  // Otherwise a client that does not close its side of the connection would prevent the process from ending.
  socket.once('finish', () => socket.destroy());
  const status = isSocketPath ? '503 Service Unavailable' : '404 Not Found';
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\n\r\n`);
}

function startErrorOf(error: NodeJS.ErrnoException, host: string, port: number): unknown {
  const where = `${host}:${port}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return new AppError(
        'START_REFUSED',
        `${where} is already in use. Set PORT to another port, or stop the process that listens there.`,
      );
    case 'EACCES':
      return new AppError(
        'START_REFUSED',
        `The operating system does not allow this process to listen on ${where}. Set PORT to 1024 or higher, for example PORT=4000.`,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new AppError(
        'START_REFUSED',
        `${host} is not an address of this machine. Set HOST=127.0.0.1, or HOST=0.0.0.0 to listen on all addresses.`,
      );
    default:
      return error;
  }
}

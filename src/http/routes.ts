import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError } from '../domain/error.ts';
import { allowOrigin } from './cors.ts';
import type { DemoEndpoint } from './demo-session.ts';
import type { GraphQLOverHttp } from './graphql-http.ts';
import type { GraphQLOverWebSocket } from './graphql-ws.ts';
import type { Metrics } from './metrics.ts';
import { answerJson, answerText } from './response.ts';

/** The endpoints of a process with the role api. */
export interface GraphQLEndpoints {
  readonly graphql: GraphQLOverHttp;
  readonly sockets: GraphQLOverWebSocket;
  readonly demo: DemoEndpoint;
  readonly pages: (request: IncomingMessage, response: ServerResponse, path: string) => Promise<boolean>;
}

/**
 * In the state `starting` the process does not answer operations yet. In the state `open` it answers
 * operations. In the state `draining` it accepts no new connections.
 */
export type ListenerState = 'starting' | 'open' | 'draining';

export interface RouteDeps {
  /** undefined if this process answers only the health checks and metrics. */
  readonly endpoints: GraphQLEndpoints | undefined;
  /**
   * Resolves with the names of the backends that are not ready. The list is empty if requests will succeed.
   */
  readonly isReady: () => Promise<readonly string[]>;
  readonly metrics: Metrics;
  readonly corsOrigins: readonly string[];
}

/** Answers a request according to its path. If it rejects, the caller must send the error as the answer. */
export async function route(
  deps: RouteDeps,
  state: ListenerState,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { endpoints } = deps;
  const path = (request.url ?? '/').replace(/[?#].*/s, '');
  if (endpoints && path === '/graphql') {
    await answerGraphQL(endpoints.graphql, deps.corsOrigins, state, request, response);
  } else if (endpoints && path === '/demo/session' && request.method === 'POST') {
    answerJson(response, 200, await endpoints.demo(request));
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    answerJson(response, 405, { error: `${path} accepts only GET and HEAD. The API is at POST /graphql.` });
  } else if (!(await answerHealth(deps, state, path, response))) {
    await answerPage(endpoints, path, request, response);
  }
}

/** Answers a request for /graphql. Returns undefined if the answer is already sent. */
function answerGraphQL(
  graphql: GraphQLOverHttp,
  corsOrigins: readonly string[],
  state: ListenerState,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> | undefined {
  if (state === 'draining') response.setHeader('connection', 'close');
  if (allowOrigin(corsOrigins, request, response) === 'answered') return undefined;
  if (state === 'starting') {
    const message = 'The server is starting and waits for a backend. Try again.';
    throw new AppError('UNAVAILABLE', message, { retryAfterSec: 1 });
  }
  const isBrowser = request.method === 'GET' && /text\/html/.test(request.headers.accept ?? '');
  if (isBrowser) redirect(response, `/playground${(request.url ?? '').slice('/graphql'.length)}`);
  else if (request.method === 'GET' || request.method === 'POST') return graphql.handle(request, response);
  else {
    const message = 'Send operations by POST, or queries by GET.';
    response.setHeader('allow', 'GET, POST, OPTIONS');
    answerJson(response, 405, { errors: [{ message, extensions: { code: 'BAD_USER_INPUT' } }] });
  }
  return undefined;
}

/** Answers a health check or the metrics. Returns false for any other path. */
async function answerHealth(
  { isReady, metrics }: RouteDeps,
  state: ListenerState,
  path: string,
  response: ServerResponse,
): Promise<boolean> {
  switch (path) {
    case '/healthz':
      answerJson(response, 200, { status: 'ok' });
      return true;
    case '/metrics':
      answerText(response, 200, await metrics.text(), metrics.contentType);
      return true;
    case '/readyz': {
      const missing = state === 'open' ? await isReady() : [state];
      if (missing.length === 0) answerJson(response, 200, { status: 'ready' });
      else answerJson(response, 503, { status: 'not ready', missing });
      return true;
    }
    default:
      return false;
  }
}

async function answerPage(
  endpoints: GraphQLEndpoints | undefined,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (endpoints && path === '/') {
    redirect(response, '/playground');
    return;
  }
  if (await endpoints?.pages(request, response, path)) return;
  answerJson(response, 404, {
    error: endpoints
      ? 'There is no page at this path. The API is at /graphql, the pages are at /playground, /demo and /docs.'
      : 'There is no page at this path. This process is a worker, which answers only /healthz, /readyz and /metrics.',
  });
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(302, { location }).end();
}

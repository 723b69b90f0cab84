import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError } from '../domain/error.ts';
import { allowOrigin } from './cors.ts';
import type { DemoEndpoint } from './demo-session.ts';
import type { GraphQLOverHttp } from './graphql-http.ts';
import type { GraphQLOverWebSocket } from './graphql-ws.ts';
import type { Metrics } from './metrics.ts';
import { answerJson, answerText } from './response.ts';

/** What a process answers at /graphql and on the pages. */
export interface GraphQLEndpoints {
  readonly graphql: GraphQLOverHttp;
  readonly sockets: GraphQLOverWebSocket;
  readonly demo: DemoEndpoint;
  readonly pages: (request: IncomingMessage, response: ServerResponse, path: string) => Promise<boolean>;
}

/** Whether a process answers operations yet, or no longer takes new connections. */
export type ListenerState = 'starting' | 'open' | 'draining';

export interface RouteDeps {
  /** undefined: this process answers nothing but the health checks. */
  readonly endpoints: GraphQLEndpoints | undefined;
  /** What is not ready, by name; empty when requests will succeed. */
  readonly isReady: () => Promise<readonly string[]>;
  readonly metrics: Metrics;
  readonly corsOrigins: readonly string[];
}

/** Answers a request by its path. Rejects with the error to answer. */
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
    answerJson(response, 405, { error: `${path} is only read. The API is at POST /graphql.` });
  } else if (!(await answerHealth(deps, state, path, response))) {
    await answerPage(endpoints, path, request, response);
  }
}

/** undefined when the request is answered. */
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
    const message = 'The server is starting: a backend is waited for. Try again.';
    throw new AppError('UNAVAILABLE', message, { retryAfterSec: 1 });
  }
  const isBrowser = request.method === 'GET' && /text\/html/.test(request.headers.accept ?? '');
  if (isBrowser) redirect(response, `/playground${(request.url ?? '').slice('/graphql'.length)}`);
  else if (request.method === 'GET' || request.method === 'POST') return graphql.handle(request, response);
  else {
    const message = 'Send operations by POST; queries may also go by GET.';
    response.setHeader('allow', 'GET, POST, OPTIONS');
    answerJson(response, 405, { errors: [{ message, extensions: { code: 'BAD_USER_INPUT' } }] });
  }
  return undefined;
}

/** Returns false if the path is none of the health checks. */
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
      ? 'Nothing here. The API is at /graphql, pages at /playground, /demo and /docs.'
      : 'Nothing here: this process is a worker. It answers /healthz, /readyz and /metrics.',
  });
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(302, { location }).end();
}

import { createGraphiQLFetcher, type Fetcher } from '@graphiql/toolkit';
import { type DocumentNode, Kind, parse } from 'graphql';
import { createClient } from 'graphql-ws';
import { backoffMs } from '../backoff.ts';
import { webSocketUrl } from '../config.ts';
import { sentHeaders } from './headers.ts';

/**
 * Sends queries and mutations over HTTP, and subscriptions over a WebSocket, with the headers of the active
 * tab. If the tab has no token, `token` is sent.
 */
export function createFetcher(token: string | undefined): Fetcher {
  let connectionParams: Record<string, string> = {};

  const wsClient = createClient({
    url: webSocketUrl(),
    // GraphiQL runs one subscription at a time, and the socket closes with the subscription. So every
    // subscription sends its own token.
    connectionParams: () => connectionParams,
    keepAlive: 10_000,
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: () => true,
    retryWait: (retries) => new Promise((resolve) => setTimeout(resolve, backoffMs(retries))),
  });
  const send = createGraphiQLFetcher({ url: '/graphql', wsClient, enableIncrementalDelivery: false });

  return (request, options) => {
    const headers = sentHeaders(options?.headers, token);
    connectionParams = headers;
    const only = operationOf(request.query);
    const variables = withCurrentTime(request.variables);
    if (!only) return send({ ...request, variables }, { ...options, headers });
    const { documentAST, operationName } = only;
    return send({ ...request, operationName, variables }, { ...options, headers, documentAST });
  };
}

/**
 * Finds the only operation of the sent document, which decides whether the fetcher uses HTTP or the socket.
 * The fetcher ignores the operation that GraphiQL passes, because right after a change of tabs GraphiQL
 * passes the operation of the previous tab.
 */
function operationOf(query: string): { documentAST: DocumentNode; operationName: string | null } | undefined {
  try {
    const documentAST = parse(query);
    const [only, ...others] = documentAST.definitions.filter(
      ({ kind }) => kind === Kind.OPERATION_DEFINITION,
    );
    if (only?.kind !== Kind.OPERATION_DEFINITION || others.length > 0) return undefined;
    return { documentAST, operationName: only.name?.value ?? null };
  } catch {
    return undefined;
  }
}

/**
 * Replaces `{{now}}` and `{{weekAgo}}` with times. The examples use these placeholders because a saved tab
 * would contain an old time.
 */
function withCurrentTime(value: unknown): unknown {
  if (value === '{{now}}') return new Date().toISOString();
  if (value === '{{weekAgo}}') return new Date(Date.now() - 7 * 86_400_000).toISOString();
  if (Array.isArray(value)) return value.map(withCurrentTime);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withCurrentTime(inner)]));
}

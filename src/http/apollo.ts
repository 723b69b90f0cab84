import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { ApolloServer, type GraphQLRequestListener, HeaderMap } from '@apollo/server';
import { type DocumentNode, GraphQLError, type GraphQLSchema, OperationTypeNode } from 'graphql';
import { AppError } from '../domain/error.ts';
import type { Context } from '../graphql/engine/context.ts';
import { graphQLErrorOf } from '../graphql/engine/error.ts';
import { type AdmitOperation, type Execution, retryAfterOf, statusOf } from '../graphql/engine/execute.ts';
import type { Logger } from '../ports/logger.ts';
import { bodySizeError } from './bulk-mutations.ts';

export const responseMediaType = 'application/graphql-response+json';

/** Whether the client asks for the media type of GraphQL over HTTP. */
export const wantsResponseType = ({ headers }: IncomingMessage) =>
  headers.accept?.includes(responseMediaType) ?? false;

export interface HttpContext extends Context {
  readonly bodyBytes: number;
  readonly admit: AdmitOperation;
  /** The parsed and validated document. undefined if the request has none. */
  readonly document: DocumentNode | undefined;
}

interface HttpAnswer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly text: string;
}

/**
 * Answers the requests for which GraphQL over HTTP has special rules: GET requests, media types and invalid
 * requests.
 */
export interface Apollo {
  answer(request: IncomingMessage, body: object | undefined, context: HttpContext): Promise<HttpAnswer>;
  stop(): Promise<void>;
}

/**
 * Creates an Apollo Server that executes operations with `execution`. The server runs on node:http without a
 * web framework.
 */
export async function createApollo({
  schema,
  execution,
  logger,
}: {
  readonly schema: GraphQLSchema;
  readonly execution: Execution;
  readonly logger: Logger;
}): Promise<Apollo> {
  const hooks = createHooks(execution);
  const apollo = new ApolloServer<HttpContext>({
    schema,
    // If introspection is off, a validation rule of `execution` refuses it, with the same error on every
    // transport. So Apollo must not refuse it.
    introspection: true,
    // `execution` prepares every document before Apollo sees the request. `hooks` gives the document to
    // Apollo.
    documentStore: null,
    persistedQueries: false,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    nodeEnv: 'production',
    logger: {
      debug() {},
      info() {},
      warn: () => {},
      error: (message) => logger.error({ message }, 'apollo'),
    },
    formatError: (formatted, error) =>
      execution.mask(error, String(formatted.extensions?.['requestId'] ?? '')),
    plugins: [{ requestDidStart: async () => hooks }],
  });
  await apollo.start();
  return {
    async answer(request, body, context) {
      const {
        status,
        headers,
        body: answered,
      } = await apollo.executeHTTPGraphQLRequest({
        httpGraphQLRequest: {
          method: request.method ?? 'GET',
          headers: headersFor(request),
          search: request.url?.match(/\?.*/)?.[0] ?? '',
          body,
        },
        context: async () => context,
      });
      if (answered.kind !== 'complete') throw new Error('incremental delivery is not enabled');
      return { status: status ?? 200, headers: Object.fromEntries(headers), text: answered.string };
    },
    stop: () => apollo.stop(),
  };
}

function headersFor(request: IncomingMessage): HeaderMap {
  const headers = new HeaderMap();
  for (const header of ['content-type', 'apollo-require-preflight', 'x-apollo-operation-name']) {
    const value = request.headers[header];
    if (typeof value === 'string') headers.set(header, value);
  }
  // Without an Accept header Apollo answers with JSON. With a type that Apollo does not support, Apollo would
  // run the operation and only then refuse the request.
  if (wantsResponseType(request)) headers.set('accept', responseMediaType);
  return headers;
}

/**
 * Creates the hooks that this transport adds to every operation. All requests share the same hooks, because
 * creating hooks for each request would cost time.
 */
function createHooks(execution: Execution): GraphQLRequestListener<HttpContext> {
  return {
    /** Gives Apollo the prepared document, so that Apollo does not parse and validate again. */
    async didResolveSource(requestContext) {
      const { document } = requestContext.contextValue;
      if (!document) throw new Error('the document was not prepared');
      Object.assign(requestContext, { document });
    },

    /** Refuses operations that this transport does not allow, before they run. */
    async didResolveOperation({ operation, contextValue }) {
      if (operation?.operation === OperationTypeNode.SUBSCRIPTION) {
        const message =
          'Subscriptions run over WebSocket. Connect to the same URL with the protocol graphql-transport-ws.';
        throw graphQLErrorOf(new AppError('BAD_USER_INPUT', message));
      }
      const tooLarge = bodySizeError(operation, contextValue.bodyBytes);
      if (tooLarge) throw graphQLErrorOf(tooLarge);
    },

    /** Executes the operation. Returns null if the request names no operation, so that Apollo refuses it. */
    async responseForOperation({ operation, document, request, response: { http }, contextValue }) {
      if (!operation || !document) return null;
      const { admit, requestId } = contextValue;
      const { variables } = request;
      const running = execution.run({ document, operation, variables, context: contextValue, admit });
      const { result } = await running.catch((error) => {
        const refused =
          error instanceof AppError
            ? graphQLErrorOf(error)
            : new GraphQLError('Internal server error.', { originalError: error });
        return execution.refuse([refused], requestId);
      });
      return { http, body: { kind: 'single', singleResult: result } };
    },

    /** Adds the request id to each error. The masking of errors logs this id and sends it to the client. */
    async didEncounterErrors({ errors, contextValue }) {
      for (const error of errors) error.extensions['requestId'] = contextValue.requestId;
    },

    async willSendResponse({ response: { body, http } }) {
      if (body.kind !== 'single') return;
      const { singleResult } = body;
      // Keeps status 405 (a mutation sent by GET), because it is more precise than the status of the error
      // code.
      if (http.status !== 405 && singleResult.errors) http.status = statusOf(singleResult);
      const retryAfter = retryAfterOf(singleResult);
      if (retryAfter !== undefined) http.headers.set('retry-after', String(retryAfter));
    },
  };
}

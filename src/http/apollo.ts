import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { ApolloServer, type GraphQLRequestListener, HeaderMap } from '@apollo/server';
import { type DocumentNode, type GraphQLSchema, OperationTypeNode } from 'graphql';
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
  /** Prepared; undefined when the request has no document. */
  readonly document: DocumentNode | undefined;
}

interface HttpAnswer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly text: string;
}

/** Answers requests with the rules of GraphQL over HTTP: GET, media types, and what is wrong with a request. */
export interface Apollo {
  answer(request: IncomingMessage, body: object | undefined, context: HttpContext): Promise<HttpAnswer>;
  stop(): Promise<void>;
}

/** Apollo Server with our execution in it, driven from bare node:http. */
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
    // Our own rule refuses it where it is off, in the same words on every transport.
    introspection: true,
    // Every document is prepared before Apollo sees it; `hooks` hands it over.
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
  // Apollo answers JSON if it gets no Accept header. With a type that it cannot answer, it would refuse only after the
  // operation has run.
  if (wantsResponseType(request)) headers.set('accept', responseMediaType);
  return headers;
}

/** What the transport adds to every operation; one object for all, since each request pays for what is made per request. */
function createHooks(execution: Execution): GraphQLRequestListener<HttpContext> {
  return {
    /** Hands the prepared document over, so that Apollo neither parses nor validates. */
    async didResolveSource(requestContext) {
      const { document } = requestContext.contextValue;
      if (!document) throw new Error('the document was not prepared');
      Object.assign(requestContext, { document });
    },

    /** Refuses what only the transport knows to refuse, once the operation is known and before it runs. */
    async didResolveOperation({ operation, contextValue }) {
      if (operation?.operation === OperationTypeNode.SUBSCRIPTION) {
        const message = 'Subscriptions go over WebSocket, protocol graphql-transport-ws, at the same URL.';
        throw graphQLErrorOf(new AppError('BAD_USER_INPUT', message));
      }
      const tooLarge = bodySizeError(operation, contextValue.bodyBytes);
      if (tooLarge) throw graphQLErrorOf(tooLarge);
    },

    /** Executes the operation. null when the request names none, which is for Apollo to refuse. */
    async responseForOperation({ operation, document, request, response: { http }, contextValue }) {
      if (!operation || !document) return null;
      const { admit, requestId } = contextValue;
      const { variables } = request;
      const running = execution.run({ document, operation, variables, context: contextValue, admit });
      const { result } = await running.catch((error) => {
        if (!(error instanceof AppError)) throw error;
        return execution.refuse([graphQLErrorOf(error)], requestId);
      });
      return { http, body: { kind: 'single', singleResult: result } };
    },

    /** Errors carry the id of their request from the moment they are known, so that masking can log and answer it. */
    async didEncounterErrors({ errors, contextValue }) {
      for (const error of errors) error.extensions['requestId'] = contextValue.requestId;
    },

    async willSendResponse({ response: { body, http } }) {
      if (body.kind !== 'single') return;
      const { singleResult } = body;
      // 405 (a mutation by GET) says more than the code of its error.
      if (http.status !== 405 && singleResult.errors) http.status = statusOf(singleResult);
      const retryAfter = retryAfterOf(singleResult);
      if (retryAfter !== undefined) http.headers.set('retry-after', String(retryAfter));
    },
  };
}

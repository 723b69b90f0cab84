import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { ApolloServer, type GraphQLRequestListener, HeaderMap } from '@apollo/server';
import {
  type DocumentNode,
  type GraphQLError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
} from 'graphql';
import type { Caller } from '../domain/caller.ts';
import { AppError } from '../domain/error.ts';
import type { Context, ResolverContainer } from '../graphql/engine/context.ts';
import { graphQLErrorOf, httpStatus, maskError } from '../graphql/engine/error.ts';
import type { Operations } from '../graphql/engine/operation.ts';
import type { Authenticator } from '../ports/authenticator.ts';
import type { Logger } from '../ports/logger.ts';
import { maxBodyBytes, readJsonBody } from './body.ts';
import { type AdmitOperation, executeOperation } from './execute-operation.ts';
import { createHoldBack } from './hold-back.ts';
import { bulkItems, type InFlight, whenSent } from './in-flight.ts';
import type { RateLimit } from './rate-limit.ts';
import { answerError, answerText, requestIdOf } from './response.ts';

/** Bodies up to here are read for every operation; larger ones only for bulk mutations. */
const maxPlainBodyBytes = 100_000;
const bulkMutations: ReadonlySet<string> = new Set([
  'recordPageViews',
  'recordItemViews',
  'sendNotifications',
  'publishItems',
  'retractItems',
  'upsertUsers',
  'ingestLimitEvents',
]);

/**
 * How long, and how many, refusals for too many requests are held back: shorter than any Retry-After, and few enough that
 * they take little memory.
 */
const heldRefusals = { ms: 500, max: 1_000 };

const graphQLResponse = 'application/graphql-response+json';

interface HttpContext extends Context {
  readonly bodyBytes: number;
  readonly admit: AdmitOperation;
  /** Prepared; undefined when the request has no document. */
  readonly document: DocumentNode | undefined;
}

/** Answers GraphQL over HTTP (https://graphql.github.io/graphql-over-http/), one operation a request. */
export interface GraphQLOverHttp {
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Answers at once what is held back, because the process is about to end. */
  drain(): void;
  stop(): Promise<void>;
}

/**
 * Requests without a fault are executed at once; the others, GET, and whoever asks for another content type go through
 * Apollo, driven from bare node:http.
 */
export async function createGraphQLOverHttp({
  schema,
  container,
  authenticator,
  operations,
  rateLimit,
  inFlight: { operations: lane, bulk },
  logger,
}: {
  readonly schema: GraphQLSchema;
  readonly container: ResolverContainer;
  readonly authenticator: Authenticator;
  readonly operations: Operations;
  readonly rateLimit: RateLimit;
  readonly inFlight: InFlight;
  readonly logger: Logger;
}): Promise<GraphQLOverHttp> {
  const hooks = createHooks(operations);
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
      maskError(error, {
        requestId: String(formatted.extensions?.['requestId'] ?? ''),
        hideSuggestions: !operations.introspection,
        logger,
      }),
    plugins: [{ requestDidStart: async () => hooks }],
  });
  await apollo.start();
  const holdBack = createHoldBack(heldRefusals);

  async function authenticate(request: IncomingMessage): Promise<Caller> {
    try {
      return await authenticator.authenticate(bearerToken(request));
    } catch (error) {
      rateLimit.countRefusal(error, request.socket.remoteAddress);
      throw error;
    }
  }

  /** Answers what is wrong with a document. */
  function answerRefused(
    response: ServerResponse,
    errors: readonly GraphQLError[],
    {
      caller,
      requestId,
      contentType,
    }: { readonly caller: Caller; readonly requestId: string; readonly contentType: string },
  ): void {
    const mask = (error: GraphQLError) =>
      maskError(error, { requestId, hideSuggestions: !operations.introspection, logger });
    const masked = errors.map(mask);
    const status = httpStatus[String(masked[0]?.extensions?.['code'])] ?? 500;
    const headers = headersOf(caller, requestId);
    answerText(response, status, JSON.stringify({ errors: masked }), contentType, headers);
  }

  /** `leave` ends what was admitted. */
  function createAdmission(caller: Caller): { readonly admit: AdmitOperation; leave(): void } {
    let isCharged = false;
    let entered = 0;
    return {
      admit(operation, variables) {
        if (isCharged) return undefined;
        isCharged = true;
        const items = operations.items(operation, variables);
        rateLimit.countOperation(caller, { cost: operations.cost(operation, variables), items });
        if (items <= bulkItems) return undefined;
        entered = items;
        return bulk.enter(caller, items);
      },
      leave() {
        if (entered > 0) bulk.leave(caller, entered);
      },
    };
  }

  function leaveWhenSent(response: ServerResponse, caller: Caller): void {
    whenSent(response, () => lane.leave(caller));
  }

  /** Of every answer to a caller: its id, and how much the caller may still ask for. */
  function headersOf(caller: Caller, requestId: string): OutgoingHttpHeaders {
    const limits = rateLimit.headers(caller);
    return limits
      ? { 'x-request-id': requestId, 'ratelimit-policy': limits.policy, ratelimit: limits.state }
      : { 'x-request-id': requestId };
  }

  async function answer(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
    requestId: string,
    admit: AdmitOperation,
  ): Promise<void> {
    const { body, bytes } = await readJsonBody(request);
    const wantsResponseType = request.headers.accept?.includes(graphQLResponse) ?? false;
    const source = sourceOf(request, body);
    const document = source === undefined ? undefined : operations.prepare(source);
    if (document && 'length' in document) {
      const contentType = `${wantsResponseType ? graphQLResponse : 'application/json'}; charset=utf-8`;
      answerRefused(response, document, { caller, requestId, contentType });
      return;
    }
    const context: HttpContext = { caller, requestId, container, bodyBytes: bytes, document, admit };
    if (body && document && bytes <= maxPlainBodyBytes && !wantsResponseType) {
      const answered = await executeOperation({ operations, admit, logger }, body, document, context);
      if (answered) {
        const headers = headersOf(caller, requestId);
        if (answered.retryAfter !== undefined) headers['retry-after'] = String(answered.retryAfter);
        answerText(response, answered.status, answered.json, undefined, headers);
        return;
      }
    }
    const headers = new HeaderMap();
    for (const header of ['content-type', 'apollo-require-preflight', 'x-apollo-operation-name']) {
      const value = request.headers[header];
      if (typeof value === 'string') headers.set(header, value);
    }
    // Apollo answers JSON if it gets no Accept header. With a type that it cannot answer, it would refuse only after the
    // operation has run.
    if (wantsResponseType) headers.set('accept', graphQLResponse);
    const {
      status,
      headers: answered,
      body: answer,
    } = await apollo.executeHTTPGraphQLRequest({
      httpGraphQLRequest: {
        method: request.method ?? 'GET',
        headers,
        search: request.url?.match(/\?.*/)?.[0] ?? '',
        body,
      },
      context: async () => context,
    });
    if (answer.kind !== 'complete') throw new Error('incremental delivery is not enabled');
    response.writeHead(status ?? 200, {
      ...Object.fromEntries(answered),
      'content-length': Buffer.byteLength(answer.string),
      'cache-control': 'no-store',
      ...headersOf(caller, requestId),
    });
    response.end(answer.string);
  }

  return {
    async handle(request, response) {
      const requestId = requestIdOf(request);
      let caller: Caller | undefined;
      let entered = false;
      try {
        caller = await authenticate(request);
        rateLimit.countCaller(caller);
        const turn = lane.enter(caller);
        if (turn) await turn;
        entered = true;
        const { admit, leave } = createAdmission(caller);
        try {
          await answer(request, response, caller, requestId, admit);
        } finally {
          leave();
        }
      } catch (error) {
        // A client that sends again at once would make the event loop do nothing but refuse.
        if (error instanceof AppError && error.code === 'RATE_LIMITED') await holdBack.hold();
        if (caller && !response.headersSent)
          for (const [name, value] of Object.entries(headersOf(caller, requestId)))
            response.setHeader(name, value as string);
        answerError(response, error, { requestId, logger });
      } finally {
        if (caller && entered) leaveWhenSent(response, caller);
      }
    },
    drain: holdBack.release,
    stop: () => apollo.stop(),
  };
}

/** The document that Apollo would read; undefined when there is none, or several. */
function sourceOf({ method, url }: IncomingMessage, body: object | undefined): string | undefined {
  if (method === 'GET') {
    const given = new URLSearchParams(url?.match(/\?.*/)?.[0]).getAll('query');
    return given.length === 1 ? given[0] : undefined;
  }
  const query = body && 'query' in body ? body.query : undefined;
  return typeof query === 'string' ? query : undefined;
}

function bearerToken(request: IncomingMessage): string {
  const token = /^Bearer +([^ ]+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (token !== undefined) return token;
  throw new AppError('UNAUTHENTICATED', 'Send a token: `Authorization: Bearer …`.');
}

/** What the transport adds to every operation; one object for all, since each request pays for what is made per request. */
function createHooks(operations: Operations): GraphQLRequestListener<HttpContext> {
  return {
    /** Hands the prepared document over, so that Apollo neither parses nor validates. */
    async didResolveSource(requestContext) {
      const { document } = requestContext.contextValue;
      if (!document) throw new Error('the document was not prepared');
      Object.assign(requestContext, { document });
    },

    /** What only the transport knows to refuse, once the operation is known and before it runs. */
    async didResolveOperation({ operation, request, contextValue }) {
      if (operation?.operation === OperationTypeNode.SUBSCRIPTION) {
        const message = 'Subscriptions go over WebSocket, protocol graphql-transport-ws, at the same URL.';
        throw graphQLErrorOf(new AppError('BAD_USER_INPUT', message));
      }
      if (contextValue.bodyBytes > maxPlainBodyBytes && !isBulk(operation)) {
        const message = `The body may have ${maxPlainBodyBytes} bytes; ${maxBodyBytes} for ${[...bulkMutations].join(', ')}.`;
        throw graphQLErrorOf(new AppError('PAYLOAD_TOO_LARGE', message));
      }
      const excess = operation && operations.excess(operation, request.variables);
      if (excess) throw excess;
      try {
        if (operation) await contextValue.admit(operation, request.variables);
      } catch (error) {
        throw graphQLErrorOf(error as AppError);
      }
    },

    /** Errors carry the id of their request from the moment they are known, so that masking can log and answer it. */
    async didEncounterErrors({ errors, contextValue }) {
      for (const error of errors) error.extensions['requestId'] = contextValue.requestId;
    },

    /** An answer without data takes the status of its error, for clients and proxies that look no further. */
    async willSendResponse({ response }) {
      if (response.body.kind !== 'single') return;
      const { data, errors } = response.body.singleResult;
      const { code, retryAfter } = errors?.[0]?.extensions ?? {};
      // 405 (a mutation by GET) says more than its code.
      if (data || typeof code !== 'string' || response.http.status === 405) return;
      response.http.status = httpStatus[code] ?? 500;
      if (typeof retryAfter === 'number') response.http.headers.set('retry-after', String(retryAfter));
    },
  };
}

function isBulk(operation: OperationDefinitionNode | undefined): boolean | undefined {
  return operation?.selectionSet.selections.every(
    (selection) => selection.kind === Kind.FIELD && bulkMutations.has(selection.name.value),
  );
}

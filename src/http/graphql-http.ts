import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import {
  type DocumentNode,
  type GraphQLSchema,
  getOperationAST,
  type OperationDefinitionNode,
  OperationTypeNode,
} from 'graphql';
import type { Caller } from '../domain/caller.ts';
import { AppError } from '../domain/error.ts';
import type { ResolverContainer } from '../graphql/engine/context.ts';
import type { Answer, Execution } from '../graphql/engine/execute.ts';
import type { Variables } from '../graphql/engine/variable-values.ts';
import type { Authenticator } from '../ports/authenticator.ts';
import type { Logger } from '../ports/logger.ts';
import { createApollo, type HttpContext, responseMediaType, wantsResponseType } from './apollo.ts';
import { readJsonBody } from './body.ts';
import { maxPlainBodyBytes } from './bulk-mutations.ts';
import { createHoldBack } from './hold-back.ts';
import { bulkItems, type InFlight, whenSent } from './in-flight.ts';
import type { RateLimit } from './rate-limit.ts';
import { answerError, answerText, requestIdOf } from './response.ts';

/**
 * The delay of answers with RATE_LIMITED, and the maximum number of answers that are delayed at once. The
 * delay is shorter than any Retry-After. 1000 answers take little memory.
 */
const heldRefusals = { ms: 500, max: 1_000 };

interface Deps {
  readonly schema: GraphQLSchema;
  readonly container: ResolverContainer;
  readonly authenticator: Authenticator;
  readonly execution: Execution;
  readonly rateLimit: RateLimit;
  readonly inFlight: InFlight;
  readonly logger: Logger;
}

/** Answers GraphQL over HTTP (https://graphql.github.io/graphql-over-http/), one operation per request. */
export interface GraphQLOverHttp {
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Sends the delayed answers at once, because the process is about to end. */
  drain(): void;
  stop(): Promise<void>;
}

/** An authenticated request. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: Caller;
  readonly requestId: string;
}

export async function createGraphQLOverHttp(deps: Deps): Promise<GraphQLOverHttp> {
  const { rateLimit, logger, inFlight } = deps;
  const apollo = await createApollo(deps);
  const holdBack = createHoldBack(heldRefusals);

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = requestIdOf(request);
    let caller: Caller | undefined;
    let entered = false;
    try {
      caller = await authenticate(deps, request);
      rateLimit.countCaller(caller);
      const turn = inFlight.operations.enter(caller);
      if (turn) await turn;
      entered = true;
      const { admit, leave } = createAdmission(deps, caller);
      try {
        await answerOperation(deps, apollo, { request, response, caller, requestId }, admit);
      } finally {
        leave();
      }
    } catch (error) {
      // Delays the answer, because refusals of a client that retries at once would keep the event loop busy.
      if (error instanceof AppError && error.code === 'RATE_LIMITED') await holdBack.hold();
      if (caller && !response.headersSent) setHeaders(response, headersOf(rateLimit, caller, requestId));
      answerError(response, error, { requestId, logger });
    } finally {
      if (caller && entered) leaveWhenSent(response, caller);
    }
  }

  function leaveWhenSent(response: ServerResponse, caller: Caller): void {
    whenSent(response, () => inFlight.operations.leave(caller));
  }

  return { handle, drain: holdBack.release, stop: () => apollo.stop() };
}

async function authenticate({ authenticator, rateLimit }: Deps, request: IncomingMessage): Promise<Caller> {
  try {
    return await authenticator.authenticate(bearerToken(request));
  } catch (error) {
    rateLimit.countRefusal(error, request.socket.remoteAddress);
    throw error;
  }
}

/** Charges a caller for one operation. `leave` must be called when the operation has ended. */
function createAdmission(
  { execution, rateLimit, inFlight: { bulk } }: Deps,
  caller: Caller,
): { readonly admit: HttpContext['admit']; leave(): void } {
  let isCharged = false;
  let entered = 0;
  return {
    admit(operation, variables) {
      if (isCharged) return undefined;
      isCharged = true;
      const items = execution.items(operation, variables);
      rateLimit.countOperation(caller, { cost: execution.cost(operation, variables), items });
      if (items <= bulkItems) return undefined;
      entered = items;
      return bulk.enter(caller, items);
    },
    leave() {
      if (entered > 0) bulk.leave(caller, entered);
    },
  };
}

async function answerOperation(
  deps: Deps,
  apollo: Awaited<ReturnType<typeof createApollo>>,
  exchange: Exchange,
  admit: HttpContext['admit'],
): Promise<void> {
  const { execution, container, rateLimit } = deps;
  const { request, response, caller, requestId } = exchange;
  const { body, bytes } = await readJsonBody(request);
  const source = sourceOf(request, body);
  const document = source === undefined ? undefined : execution.prepare(source);
  if (document && 'length' in document) {
    send(deps, exchange, execution.refuse(document, requestId));
    return;
  }
  const context: HttpContext = { caller, requestId, container, bodyBytes: bytes, document, admit };
  const isPlain = bytes <= maxPlainBodyBytes && !wantsResponseType(request);
  const requested = body && document && isPlain ? operationOf(body, document) : undefined;
  if (requested) {
    // Without a spread: `{ ...requested, context, admit }` takes 6 of 60 µs of CPU per request (Node 20).
    const { operation, variables } = requested;
    const running = execution.run({ document: requested.document, operation, variables, context, admit });
    send(deps, exchange, await running);
    return;
  }
  const { status, headers, text } = await apollo.answer(request, body, context);
  response.writeHead(status, {
    ...headers,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    ...headersOf(rateLimit, caller, requestId),
  });
  response.end(text);
}

function send(
  { rateLimit }: Deps,
  { request, response, caller, requestId }: Exchange,
  { status, result, retryAfter }: Answer,
): void {
  const headers = headersOf(rateLimit, caller, requestId);
  if (retryAfter !== undefined) headers['retry-after'] = String(retryAfter);
  const contentType = wantsResponseType(request) ? `${responseMediaType}; charset=utf-8` : undefined;
  answerText(response, status, JSON.stringify(result), contentType, headers);
}

/** The headers of every answer to a caller: the request id and the remaining points of the caller. */
function headersOf(rateLimit: RateLimit, caller: Caller, requestId: string): OutgoingHttpHeaders {
  const limits = rateLimit.headers(caller);
  return limits
    ? { 'x-request-id': requestId, 'ratelimit-policy': limits.policy, ratelimit: limits.state }
    : { 'x-request-id': requestId };
}

function setHeaders(response: ServerResponse, headers: OutgoingHttpHeaders): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value as string);
}

interface RequestedOperation {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Variables;
}

/**
 * Finds the query or mutation that a request asks for. Returns undefined if the request is invalid or
 * unusual. Apollo then answers the request, because Apollo has the rules for such requests. Apollo answers no
 * other requests, because Apollo takes 100 µs of CPU per request (decision 14).
 */
function operationOf(body: object, document: DocumentNode): RequestedOperation | undefined {
  const { variables, operationName, extensions } = body as Readonly<Record<string, unknown>>;
  if (extensions !== undefined || !isVariables(variables) || !isName(operationName)) return undefined;
  const operation = getOperationAST(document, operationName);
  if (!operation || operation.operation === OperationTypeNode.SUBSCRIPTION) return undefined;
  return { document, operation, variables };
}

function isVariables(value: unknown): value is Variables {
  return value === undefined || (typeof value === 'object' && !Array.isArray(value));
}

function isName(value: unknown): value is string | null | undefined {
  return value === undefined || value === null || typeof value === 'string';
}

/**
 * Returns the text of the document that Apollo would read. Returns undefined if the request has no document
 * or several documents.
 */
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

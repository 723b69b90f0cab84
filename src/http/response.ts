import { randomUUID } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { AppError, errorTable } from '../domain/error.ts';
import { httpStatus } from '../graphql/engine/error.ts';
import type { Logger } from '../ports/logger.ts';

// A request id consists of a random id of the process and a counter. Random bytes for every request would
// cost time.
const processId = randomUUID();
let requests = 0;

function nextId(): string {
  requests += 1;
  return `${processId}-${requests}`;
}

/**
 * Returns the `x-request-id` of the request if this header has up to 128 plain characters. Otherwise returns
 * a new id.
 */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : nextId();
}

/** Sends a JSON answer. */
export function answerJson(response: ServerResponse, status: number, value: unknown): void {
  answerText(response, status, JSON.stringify(value));
}

/**
 * Sends a text, which is JSON by default. Passing `headers` here is cheaper than calling `setHeader` before.
 */
export function answerText(
  response: ServerResponse,
  status: number,
  body: string,
  contentType = 'application/json; charset=utf-8',
  headers: OutgoingHttpHeaders = {},
): void {
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...headers,
  });
  response.end(body);
}

/**
 * Sends an error that occurred before an operation ran. The answer has the shape of a GraphQL answer, and the
 * error is masked in the same way.
 */
export function answerError(
  response: ServerResponse,
  error: unknown,
  { requestId, logger }: { readonly requestId: string; readonly logger: Logger },
): void {
  const known =
    error instanceof AppError ? error : new AppError('INTERNAL_SERVER_ERROR', undefined, { cause: error });
  const { code, retryAfterSec } = known;
  const { fault } = errorTable[code];
  if (fault !== 'caller') {
    const level = fault === 'elsewhere' ? 'warn' : 'error';
    logger[level]({ requestId, err: known }, 'a request failed');
  }
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.setHeader('x-request-id', requestId);
  if (code === 'UNAUTHENTICATED') response.setHeader('www-authenticate', 'Bearer');
  if (retryAfterSec !== undefined) response.setHeader('retry-after', retryAfterSec);
  // The server does not read the rest of the body, so the connection cannot serve another request.
  if (!response.req.complete) response.setHeader('connection', 'close');
  answerJson(response, httpStatus[code] ?? 500, {
    errors: [{ message: known.message, extensions: { code, requestId, retryAfter: retryAfterSec } }],
  });
}

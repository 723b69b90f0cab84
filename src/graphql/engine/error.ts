import { GraphQLError, type GraphQLFormattedError, Kind } from 'graphql';
import { AppError, type ErrorCode, errorTable } from '../../domain/error.ts';
import type { Logger } from '../../ports/logger.ts';

/** The maximum number of characters in the message of an error of a request. */
const maxMessage = 1_000;

/** The HTTP status for each error code. The status applies only if the answer has errors and no data. */
export const httpStatus: Partial<Record<string, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  BAD_USER_INPUT: 400,
  QUERY_TOO_COMPLEX: 400,
  PAYLOAD_TOO_LARGE: 413,
  RATE_LIMITED: 429,
  UNAVAILABLE: 503,
};

/**
 * Converts an AppError to a GraphQLError with its code and with its HTTP status, in the form that Apollo
 * expects. The AppError becomes the original error.
 */
export function graphQLErrorOf(error: AppError): GraphQLError {
  const status = httpStatus[error.code];
  return new GraphQLError(error.message, {
    originalError: error,
    extensions: { code: error.code, ...(status !== undefined && { http: { status } }) },
  });
}

/**
 * Returns the part of an error that the caller may see. An AppError keeps its message. An invalid request
 * (syntax, validation, scalars) becomes BAD_USER_INPUT. Every other error is logged completely, and the
 * caller gets INTERNAL_SERVER_ERROR with only the request id. `hideSuggestions` removes names of the schema
 * that GraphQL.js suggests.
 */
export function maskError(
  error: unknown,
  {
    requestId,
    hideSuggestions,
    logger,
  }: { readonly requestId: string; readonly hideSuggestions: boolean; readonly logger: Logger },
): GraphQLFormattedError {
  const { message, path, locations } = error instanceof GraphQLError ? error : new GraphQLError('');
  const where = { ...(locations && { locations }), ...(path && { path }) };
  const cause = rootCause(error);
  if (cause instanceof AppError) {
    const { fault } = errorTable[cause.code];
    if (fault !== 'caller') logger.warn({ requestId, err: cause }, 'a request failed');
    const known = answer(cause.code, cause.message, where, fault === 'caller' ? undefined : requestId);
    const { retryAfterSec: retryAfter } = cause;
    return retryAfter === undefined ? known : { ...known, extensions: { ...known.extensions, retryAfter } };
  }
  if (error instanceof GraphQLError && cause instanceof GraphQLError && !isOurs(error, cause)) {
    const code = cause.extensions['code'];
    const shown = hideSuggestions ? message.replace(/ Did you mean .*\?$/s, '') : message;
    const known = typeof code === 'string' && isPublic(code) ? code : 'BAD_USER_INPUT';
    return answer(known, shortened(shown), where);
  }
  logger.error({ requestId, err: cause }, 'a request failed with an unexpected error');
  return answer('INTERNAL_SERVER_ERROR', errorTable.INTERNAL_SERVER_ERROR.message, where, requestId);
}

/**
 * Cuts the middle out of a long message. GraphQL.js puts the refused value in the middle, between its
 * position and the reason.
 */
function shortened(message: string): string {
  return message.length <= maxMessage
    ? message
    : `${message.slice(0, maxMessage / 2)} … ${message.slice(-maxMessage / 2)}`;
}

function answer(
  code: ErrorCode,
  message: string,
  where: Pick<GraphQLFormattedError, 'locations' | 'path'>,
  requestId?: string,
): GraphQLFormattedError {
  return { message, ...where, extensions: { code, ...(requestId !== undefined && { requestId }) } };
}

function isPublic(code: string): code is ErrorCode {
  return code in httpStatus;
}

/**
 * Returns the original error. GraphQL.js wraps an error of a resolver once, and an error of a scalar twice.
 */
function rootCause(error: unknown): unknown {
  let cause = error;
  while (cause instanceof GraphQLError && cause.originalError) cause = cause.originalError;
  return cause;
}

/**
 * Whether GraphQL.js refused a value that a resolver returned. An invalid argument of the request gives the
 * same kind of error while fields are resolved. But the nodes of that error include an argument or a
 * variable.
 */
function isOurs({ path }: GraphQLError, { nodes }: GraphQLError): boolean {
  return path !== undefined && (nodes === undefined || nodes.every(({ kind }) => kind === Kind.FIELD));
}

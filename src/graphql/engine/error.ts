import { GraphQLError, type GraphQLFormattedError, Kind } from 'graphql';
import { AppError, type ErrorCode, errorTable } from '../../domain/error.ts';
import type { Logger } from '../../ports/logger.ts';

/** Characters of a message about a request that are answered at most. */
const maxMessage = 1_000;

/** HTTP status of each code a GraphQL answer can carry, where the answer as a whole is that error. */
export const httpStatus: Partial<Record<string, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  BAD_USER_INPUT: 400,
  QUERY_TOO_COMPLEX: 400,
  PAYLOAD_TOO_LARGE: 413,
  RATE_LIMITED: 429,
  UNAVAILABLE: 503,
};

/** An AppError as graphql-js and Apollo carry it: code, status, and our error as the original. */
export function graphQLErrorOf(error: AppError): GraphQLError {
  const status = httpStatus[error.code];
  return new GraphQLError(error.message, {
    originalError: error,
    extensions: { code: error.code, ...(status !== undefined && { http: { status } }) },
  });
}

/**
 * What a caller may see of an error. Errors of the table keep their message; what the request itself got wrong (syntax,
 * validation, scalars) is BAD_USER_INPUT; everything else is logged whole and answered as INTERNAL_SERVER_ERROR with the
 * request id and nothing more. `hideSuggestions` leaves out names of the schema that the request did not name itself.
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

/** graphql-js quotes the whole value that it refuses: what is wrong with it stands behind, and where before. */
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

/** The error that began it: graphql-js wraps what a resolver threw, and a scalar's refusal is wrapped once more. */
function rootCause(error: unknown): unknown {
  let cause = error;
  while (cause instanceof GraphQLError && cause.originalError) cause = cause.originalError;
  return cause;
}

/**
 * Whether graphql-js refused a value of ours rather than one of the request. Both are GraphQLErrors, both come while fields
 * are resolved; what it says of the request points at an argument or a variable.
 */
function isOurs({ path }: GraphQLError, { nodes }: GraphQLError): boolean {
  return path !== undefined && (nodes === undefined || nodes.every(({ kind }) => kind === Kind.FIELD));
}

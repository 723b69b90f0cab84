import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { AppError, type ErrorCode, errorTable } from '../domain/error.ts';
import type { Logger } from '../ports/logger.ts';

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
 * request id and nothing more.
 */
export function maskError(
  error: GraphQLError,
  { requestId, logger }: { readonly requestId: string; readonly logger: Logger },
): GraphQLFormattedError {
  const { message, path, locations } = error;
  const where = { ...(locations && { locations }), ...(path && { path }) };
  const original = rootCause(error);
  if (original instanceof AppError) {
    const { fault } = errorTable[original.code];
    if (fault !== 'caller') logger.warn({ requestId, err: original.cause ?? original }, 'a request failed');
    return answer(original.code, original.message, where, fault === 'caller' ? undefined : requestId);
  }
  if (original === undefined || original instanceof GraphQLError) {
    const code = error.extensions['code'];
    return answer(typeof code === 'string' && isPublic(code) ? code : 'BAD_USER_INPUT', message, where);
  }
  logger.error({ requestId, err: original }, 'a request failed for a reason nobody foresaw');
  return answer('INTERNAL_SERVER_ERROR', errorTable.INTERNAL_SERVER_ERROR.message, where, requestId);
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
function rootCause(error: GraphQLError): Error | undefined {
  let cause: Error | undefined = error.originalError;
  while (cause instanceof GraphQLError && cause.originalError) cause = cause.originalError;
  return cause ?? undefined;
}

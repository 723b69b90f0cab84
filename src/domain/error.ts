/**
 * Every failure Unseen can name. `fault` says who can mend it, `retriable` whether the same request may succeed later
 * without a change. The message is what a caller may read when nothing more precise is known.
 */
export const errorTable = {
  UNAUTHENTICATED: { fault: 'caller', retriable: false, message: 'A valid bearer token is needed.' },
  FORBIDDEN: { fault: 'caller', retriable: false, message: 'The token does not allow this.' },
  BAD_USER_INPUT: { fault: 'caller', retriable: false, message: 'The input is not valid.' },
  QUERY_TOO_COMPLEX: {
    fault: 'caller',
    retriable: false,
    message: 'The operation asks for too much at once.',
  },
  PAYLOAD_TOO_LARGE: { fault: 'caller', retriable: false, message: 'The request body is too large.' },
  RATE_LIMITED: { fault: 'caller', retriable: true, message: 'Too many requests.' },
  UNAVAILABLE: { fault: 'elsewhere', retriable: true, message: 'A backend is away; try again.' },
  INTERNAL_SERVER_ERROR: { fault: 'us', retriable: false, message: 'Internal server error.' },
  START_REFUSED: { fault: 'caller', retriable: false, message: 'Unseen cannot start like this.' },
  MALFORMED_EVENT: { fault: 'elsewhere', retriable: false, message: 'The event cannot be read.' },
  USER_NOT_FOUND: { fault: 'elsewhere', retriable: false, message: 'The user does not exist.' },
  REJECTED_EVENT: { fault: 'us', retriable: false, message: 'The event could not be applied.' },
  TOO_SLOW: { fault: 'us', retriable: false, message: 'The event took too long to apply, again and again.' },
} as const satisfies Record<
  string,
  { fault: 'caller' | 'us' | 'elsewhere'; retriable: boolean; message: string }
>;

export type ErrorCode = keyof typeof errorTable;

/**
 * A failure with a code of the table. The message may be shown to whoever made the request; what only operators may see
 * belongs in `cause`.
 */
export class AppError extends Error {
  readonly code: ErrorCode;
  /** In whole seconds; undefined when nobody can say. */
  readonly retryAfterSec: number | undefined;
  /** Whether the backend answered, and gave the work up because it took too long. */
  readonly tookTooLong: boolean;
  /** Whether the backend answered, and gave the work up because a lock was held for too long. */
  readonly wasLocked: boolean;

  constructor(
    code: ErrorCode,
    message: string = errorTable[code].message,
    options?: ErrorOptions & {
      readonly retryAfterSec?: number;
      readonly tookTooLong?: boolean;
      readonly wasLocked?: boolean;
    },
  ) {
    super(message, options);
    this.name = 'AppError';
    this.code = code;
    this.retryAfterSec = options?.retryAfterSec;
    this.tookTooLong = options?.tookTooLong ?? false;
    this.wasLocked = options?.wasLocked ?? false;
  }
}

/** Whether a backend gave the work up because it took too long. Everything may take too long then, or this work alone. */
export function tookTooLong(error: unknown): boolean {
  return error instanceof AppError && error.tookTooLong;
}

/** Whether a backend gave the work up because a lock was held for too long: on a row of one user, or on everything. */
export function wasLocked(error: unknown): boolean {
  return error instanceof AppError && error.wasLocked;
}

/**
 * Whether the same thing may succeed later without a change; of several errors, whether each may. What nobody classified is
 * not retriable.
 */
export function isRetriable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isRetriable);
  return error instanceof AppError && errorTable[error.code].retriable;
}

/** One kind of failure. */
interface ErrorEntry {
  /**
   * Who gets the code. `request`: the caller of the API. `event`: the operator who looks at a dead letter.
   * `start`: the operator who starts the process.
   */
  readonly place: 'request' | 'event' | 'start';
  /** Who can fix the failure. */
  readonly fault: 'caller' | 'us' | 'elsewhere';
  /** Whether the same request may succeed later without a change. */
  readonly retriable: boolean;
  /** The text for the caller, used if there is no more precise text. */
  readonly message: string;
  /** What the caller or the operator can do. The manual shows this text. */
  readonly advice: string;
}

/** Every failure that Unseen can name. */
export const errorTable = {
  UNAUTHENTICATED: {
    place: 'request',
    fault: 'caller',
    retriable: false,
    message: 'A valid bearer token is needed.',
    advice: 'Send a token that is signed with the configured key and has not expired.',
  },
  FORBIDDEN: {
    place: 'request',
    fault: 'caller',
    retriable: false,
    message: 'The token does not allow this.',
    advice: 'Use a token with the role that the field requires.',
  },
  BAD_USER_INPUT: {
    place: 'request',
    fault: 'caller',
    retriable: false,
    message: 'The input is not valid.',
    advice: 'Correct the document or the variables. The message names the place.',
  },
  QUERY_TOO_COMPLEX: {
    place: 'request',
    fault: 'caller',
    retriable: false,
    message: 'The operation asks for too much at once.',
    advice: 'Ask for smaller pages or fewer fields, or split the operation.',
  },
  PAYLOAD_TOO_LARGE: {
    place: 'request',
    fault: 'caller',
    retriable: false,
    message: 'The request body is too large.',
    advice: 'Send fewer items in a request.',
  },
  RATE_LIMITED: {
    place: 'request',
    fault: 'caller',
    retriable: true,
    message: 'Too many requests.',
    advice: 'Wait for the seconds of `retryAfter`, then send the same request again.',
  },
  UNAVAILABLE: {
    place: 'request',
    fault: 'elsewhere',
    retriable: true,
    message: 'A backend is away; try again.',
    advice: 'Send the same request again, a mutation with the same `idempotencyKey`. It may have been done.',
  },
  INTERNAL_SERVER_ERROR: {
    place: 'request',
    fault: 'us',
    retriable: false,
    message: 'Internal server error.',
    advice: 'Report the `requestId` to the operator. The log has the cause under this id.',
  },
  START_REFUSED: {
    place: 'start',
    fault: 'caller',
    retriable: false,
    message: 'Unseen cannot start like this.',
    advice: 'Follow the message. It names the setting or the command.',
  },
  MALFORMED_EVENT: {
    place: 'event',
    fault: 'elsewhere',
    retriable: false,
    message: 'The event cannot be read.',
    advice: 'Fix the producer, and send the event again in the right form.',
  },
  USER_NOT_FOUND: {
    place: 'event',
    fault: 'elsewhere',
    retriable: false,
    message: 'The user does not exist.',
    advice: 'Create the user, then retry the dead letter.',
  },
  REJECTED_EVENT: {
    place: 'event',
    fault: 'us',
    retriable: false,
    message: 'The event could not be applied.',
    advice: 'Look for the cause in the log, fix it, then retry the dead letter.',
  },
  TOO_SLOW: {
    place: 'event',
    fault: 'us',
    retriable: false,
    message: 'The event took too long to apply, again and again.',
    advice: 'Find out what kept the database busy, then retry the dead letter.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorTable;

/**
 * A failure with a code of the table. The caller may see the message. Details that only operators may see
 * belong in `cause`.
 */
export class AppError extends Error {
  readonly code: ErrorCode;
  /** The number of whole seconds after which a retry may succeed. Undefined if unknown. */
  readonly retryAfterSec: number | undefined;
  /** Whether the backend canceled the work because it took too long. */
  readonly tookTooLong: boolean;
  /** Whether the backend canceled the work because it waited too long for a lock. */
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

/**
 * Whether the backend canceled the work because the work took too long. The error does not say whether all
 * work is slow or only this work.
 */
export function tookTooLong(error: unknown): boolean {
  return error instanceof AppError && error.tookTooLong;
}

/**
 * Whether the backend canceled the work because the work waited too long for a lock. The lock may be on the
 * row of one user or on a table.
 */
export function wasLocked(error: unknown): boolean {
  return error instanceof AppError && error.wasLocked;
}

/**
 * Whether the same request may succeed later without a change. An AggregateError is retriable if all of its
 * errors are retriable. Errors that are not an AppError are not retriable.
 */
export function isRetriable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isRetriable);
  return error instanceof AppError && errorTable[error.code].retriable;
}

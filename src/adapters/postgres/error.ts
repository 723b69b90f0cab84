import { AppError, isRetriable } from '../../domain/error.ts';

/**
 * SQLSTATE classes and codes of errors that the state of the database causes, not the statement: connection,
 * resources, operator intervention, serialization and deadlock, lock and statement timeouts, a read-only
 * standby. Some of these errors last until an operator acts: the login or a privilege was withdrawn, or the
 * database, a table or a column is missing or was changed.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const transientState = /^(08|28|40|53|55|57|58|25P03|25006|3D000|42501|42P01|42703|0A000)/;
const transientErrno = /^(ECONN|EPIPE|ETIMEDOUT|ENOENT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOTFOUND)/;
/**
 * Error codes of Prisma. P1xxx are connection failures. The other codes mean that no connection is free, or
 * that a transaction was ended or could not begin.
 */
const transientPrisma = /^(P1\d{3}|P2024|P2028|P2034)$/;
/** Messages of pg and Prisma about a failed connection. These errors have no code. */
const transientMessage =
  /timeout exceeded when trying to connect|timeout expired|query read timeout|connection terminated|client has encountered a connection error|client was closed|too many notifications|cannot use a pool after/i;
const transientKind =
  /^(DatabaseNotReachable|ConnectionClosed|SocketTimeout|TooManyConnections|TransactionWriteConflict|TlsConnectionError)$/;

/** SQLSTATE of a canceled statement. The server cancels a statement that exceeds its timeout. */
const statementTimeout = '57014';

/** SQLSTATE of a statement that waited for a lock longer than allowed. */
const lockTimeout = '55P03';

interface DatabaseError {
  readonly code?: string;
  readonly message?: string;
  readonly meta?: {
    readonly driverAdapterError?: {
      readonly cause?: {
        readonly originalCode?: string;
        readonly originalMessage?: string;
        readonly kind?: string;
      };
    };
  };
}

/**
 * Returns UNAVAILABLE, as the ports promise, if the same statement may succeed later. Returns other errors
 * unchanged.
 */
export function toPortError(error: unknown): unknown {
  if (error instanceof AppError || !(error instanceof Error)) return error;
  const { code = '', message = '', meta } = error as DatabaseError;
  // Without a code, an AggregateError contains the errors of several statements, which may have different
  // reasons.
  if (error instanceof AggregateError && code === '') return aggregated(error.errors.map(toPortError));
  const cause = meta?.driverAdapterError?.cause;
  const transient =
    transientErrno.test(code) ||
    transientPrisma.test(code) ||
    (isSqlState(code) && transientState.test(code)) ||
    transientState.test(cause?.originalCode ?? '') ||
    transientKind.test(cause?.kind ?? '') ||
    transientMessage.test(message);
  if (!transient) return error;
  const states = [code, cause?.originalCode];
  return new AppError('UNAVAILABLE', 'The database is away or too slow. Try again.', {
    cause: error,
    tookTooLong: states.includes(statementTimeout),
    wasLocked: states.includes(lockTimeout),
  });
}

function aggregated(errors: readonly unknown[]): AggregateError {
  return new AggregateError(errors, errors.map((error) => (error as Error).message).join(' '));
}

/**
 * Returns START_REFUSED if the login lacks a right. Returns undefined for any other error. Only commands and
 * starting processes call this function. A process that already serves requests waits instead, because an
 * operator may grant the right while the process runs.
 */
export function missingRight(error: unknown): AppError | undefined {
  const cause = isRetriable(error) ? (error as AppError).cause : error;
  const { code, message, meta } = (cause ?? {}) as DatabaseError;
  const refused = meta?.driverAdapterError?.cause ?? { originalCode: code, originalMessage: message };
  if (refused.originalCode !== '42501') return undefined;
  return new AppError(
    'START_REFUSED',
    `The login of DATABASE_URL lacks a right: ${refused.originalMessage}. Run prisma/roles.sql again, or use another login.`,
    { cause },
  );
}

/**
 * Whether the values of a statement caused the error: SQLSTATE data exception, integrity violation or limit
 * exceeded.
 */
export function isDataError(error: unknown): boolean {
  const { code = '', meta } = error as DatabaseError;
  return /^(22|23|54)/.test(meta?.driverAdapterError?.cause?.originalCode ?? code);
}

function isSqlState(code: string): boolean {
  return /^[0-9A-Z]{5}$/.test(code) && !code.startsWith('P');
}

/** Awaits a database call and translates its error. */
export async function translated<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw toPortError(error);
  }
}

/** Wraps functions so that their errors are translated. */
export function withTranslatedErrors<Functions extends object>(functions: Functions): Functions {
  const entries = Object.entries(
    functions as Record<string, (...args: readonly unknown[]) => Promise<unknown>>,
  );
  return Object.fromEntries(
    entries.map(([name, run]) => [name, (...args: readonly unknown[]) => translated(run(...args))]),
  ) as Functions;
}

/** Returns the message of the driver. The message never contains a password. */
export function reasonOf(error: unknown): string {
  // If the driver tried several addresses, the reason is the error of the first address.
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  const { message, code } = first as NodeJS.ErrnoException;
  return message || code || String(first);
}

import { AppError, isRetriable } from '../../domain/error.ts';

/**
 * SQLSTATE classes and codes that say the database, not the statement, is the trouble: connection, resources, operator
 * intervention, serialization and deadlock, lock and statement timeouts, a read-only standby; and what only someone at
 * the database can mend: a login or privilege withdrawn, a database, table or column missing or changed under us.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const transientState = /^(08|28|40|53|55|57|58|25P03|25006|3D000|42501|42P01|42703|0A000)/;
const transientErrno = /^(ECONN|EPIPE|ETIMEDOUT|ENOENT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOTFOUND)/;
/** Prisma: P1xxx are connection failures; no free connection, a transaction that was ended or could not begin. */
const transientPrisma = /^(P1\d{3}|P2024|P2028|P2034)$/;
/** What pg and Prisma say of a connection without any code. */
const transientMessage =
  /timeout exceeded when trying to connect|timeout expired|query read timeout|connection terminated|client has encountered a connection error|client was closed|too many notifications|cannot use a pool after/i;
const transientKind =
  /^(DatabaseNotReachable|ConnectionClosed|SocketTimeout|TooManyConnections|TransactionWriteConflict|TlsConnectionError)$/;

/** SQLSTATE of a statement that was canceled, as the server does when the time of a statement is over. */
const statementTimeout = '57014';

/** SQLSTATE of a statement that waited for a lock for as long as it may. */
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

/** The error as the ports promise it: UNAVAILABLE when the same statement may succeed later, else the error itself. */
export function toPortError(error: unknown): unknown {
  if (error instanceof AppError || !(error instanceof Error)) return error;
  const { code = '', message = '', meta } = error as DatabaseError;
  // Several statements failed, each for its own reason.
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
  return new AppError('UNAVAILABLE', 'The database is away or too slow; try again.', {
    cause: error,
    tookTooLong: states.includes(statementTimeout),
    wasLocked: states.includes(lockTimeout),
  });
}

function aggregated(errors: readonly unknown[]): AggregateError {
  return new AggregateError(errors, errors.map((error) => (error as Error).message).join(' '));
}

/**
 * START_REFUSED for whoever starts a process or runs a command with a login that lacks a right; undefined when that is not
 * the trouble. Who serves already waits instead: rights are given while processes run.
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

/** Whether the values of a statement are at fault: SQLSTATE data exception, integrity violation, limit exceeded. */
export function isDataError(error: unknown): boolean {
  const { code = '', meta } = error as DatabaseError;
  return /^(22|23|54)/.test(meta?.driverAdapterError?.cause?.originalCode ?? code);
}

function isSqlState(code: string): boolean {
  return /^[0-9A-Z]{5}$/.test(code) && !code.startsWith('P');
}

/** Awaits work of the database and translates its error. */
export async function translated<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw toPortError(error);
  }
}

/** The same functions with their errors translated. */
export function withTranslatedErrors<Functions extends object>(functions: Functions): Functions {
  const entries = Object.entries(
    functions as Record<string, (...args: readonly unknown[]) => Promise<unknown>>,
  );
  return Object.fromEntries(
    entries.map(([name, run]) => [name, (...args: readonly unknown[]) => translated(run(...args))]),
  ) as Functions;
}

/** What happened, in the words of the driver; never holds a password. */
export function reasonOf(error: unknown): string {
  // Of several addresses tried, the first one's.
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  const { message, code } = first as NodeJS.ErrnoException;
  return message || code || String(first);
}

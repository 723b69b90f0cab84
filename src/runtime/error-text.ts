import { type Logger as Pino, pino } from 'pino';
import pretty from 'pino-pretty';
import { missingRight } from '../adapters/postgres/error.ts';
import type { Logger } from '../ports/logger.ts';

// For the command line, which reports a missing right wherever it shows.
export { missingRight };

/** JSON lines on standard output; readable ones on a terminal. */
export function createLogger(level: string): Logger & Pick<Pino, 'flush'> {
  const options = { level, serializers: { err: serializeError } };
  return process.stdout.isTTY ? pino(options, pretty({ sync: true, ignore: 'pid,hostname' })) : pino(options);
}

/**
 * An error for whoever reads a log or a terminal: its message and trace, those of its causes, and its codes. Never the
 * objects a client library hangs on it, which hold what was sent: ioredis' `command` has the password of an AUTH.
 */
export function serializeError(error: unknown): SerializedError {
  if (!(error instanceof Error)) return { message: String(error) };
  const { type, message, stack } = pino.stdSerializers.err(error);
  const codes = Object.entries(error).filter(([, value]) => /^(string|number|boolean)$/.test(typeof value));
  // Which node of a cluster, which of several addresses refused, and why.
  const { lastNodeError, errors } = error as { lastNodeError?: unknown; errors?: unknown };
  return {
    ...Object.fromEntries(codes),
    type,
    message: withoutArguments(message),
    stack: withoutArguments(stack),
    ...(lastNodeError instanceof Error && { lastNodeError: serializeError(lastNodeError) }),
    ...(Array.isArray(errors) && { aggregateErrors: errors.map(serializeError) }),
  };
}

interface SerializedError extends Readonly<Record<string, unknown>> {
  readonly message: string;
  readonly stack?: string;
}

/** Redis repeats the arguments of a command it does not know. */
function withoutArguments(text: string): string {
  return text.replaceAll(/, with args beginning with: .*/g, '');
}

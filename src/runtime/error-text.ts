import { type Logger as Pino, pino } from 'pino';
import pretty from 'pino-pretty';
import { missingRight } from '../adapters/postgres/error.ts';
import type { Logger } from '../ports/logger.ts';

// The command line also uses `missingRight`, so that every command reports a missing right in the same way.
export { missingRight };

/**
 * Creates a logger that writes JSON lines to standard output, or readable lines if standard output is a
 * terminal.
 */
export function createLogger(level: string): Logger & Pick<Pino, 'flush'> {
  const options = { level, serializers: { err: serializeError } };
  return process.stdout.isTTY ? pino(options, pretty({ sync: true, ignore: 'pid,hostname' })) : pino(options);
}

/**
 * Converts an error to plain data for a log or a terminal: message, stack, causes and codes. Leaves out
 * objects that a client library has attached to the error, because these objects contain data that the client
 * sent. For example, `command` of ioredis contains the password of an AUTH command.
 */
export function serializeError(error: unknown): SerializedError {
  if (!(error instanceof Error)) return { message: String(error) };
  const { type, message, stack } = pino.stdSerializers.err(error);
  const codes = Object.entries(error).filter(([, value]) => /^(string|number|boolean)$/.test(typeof value));
  // `lastNodeError` names the cluster node that failed. `errors` has the reason for each address that refused
  // a connection.
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

/** Removes the arguments of an unknown command, which Redis repeats in its error text. */
function withoutArguments(text: string): string {
  return text.replaceAll(/, with args beginning with: .*/g, '');
}

import { AppError, isRetriable } from '../domain/error.ts';

/** Reports a failed part of the work. The command continues with the rest and exits with code 1. */
export function refuse(sentence: string): void {
  console.error(`unseen: ${sentence}`);
  process.exitCode = 1;
}

/** Ends the process: prints an expected error as one sentence, and an unexpected one with its stack. */
export async function exitWith(thrown: unknown): Promise<never> {
  const { ConfigError } = await import('../config/config.ts');
  const { missingRight, serializeError } = await import('../runtime/error-text.ts');
  const error = missingRight(thrown) ?? thrown;
  const isExpected =
    error instanceof ConfigError ||
    (error instanceof AppError && ['START_REFUSED', 'UNAVAILABLE'].includes(error.code));
  const { message, stack = message } = serializeError(error);
  console.error(isExpected ? `unseen: ${await reasonOf(error)}` : stack);
  process.exit(1);
}

/**
 * The reason of an error in one line. For a temporary error, the message of the backend is added. The reasons
 * of several errors are joined.
 */
export async function reasonOf(thrown: unknown): Promise<string> {
  if (thrown instanceof AggregateError) return (await Promise.all(thrown.errors.map(reasonOf))).join('; ');
  const { missingRight } = await import('../runtime/error-text.ts');
  const error = missingRight(thrown) ?? thrown;
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  return isRetriable(error) && cause instanceof Error ? `${message} (${cause.message})` : message;
}

/** A number with its noun: `1 day`, `2 days`. */
export function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** Reports progress on standard error after every 10 000 imported objects. */
export function progressOf(noun: string): (done: number) => void {
  let reported = 0;
  return (done) => {
    if (done < reported + 10_000) return;
    reported = done;
    console.error(`${counted(done, noun)} so far`);
  };
}

/** A table of texts under a heading, its columns padded with spaces. */
export function textTable(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = [heading, ...rows];
  const widths = heading.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

import { AppError, isRetriable } from '../domain/error.ts';

/**
 * Reports that a part of the work failed. The command continues with the other parts, and exits with code 1.
 */
export function refuse(sentence: string): void {
  console.error(`unseen: ${sentence}`);
  process.exitCode = 1;
}

/**
 * Ends the process after an error. Prints an expected error as one sentence, and an unexpected error with its
 * stack.
 */
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
 * Returns the reason of an error in one line. If the error is temporary, the message of the backend follows.
 * The reasons of several errors are joined.
 */
export async function reasonOf(thrown: unknown): Promise<string> {
  if (thrown instanceof AggregateError) return (await Promise.all(thrown.errors.map(reasonOf))).join('; ');
  const { missingRight } = await import('../runtime/error-text.ts');
  const error = missingRight(thrown) ?? thrown;
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  return isRetriable(error) && cause instanceof Error ? `${message} (${cause.message})` : message;
}

/** Returns a number with its noun, such as `1 day` or `2 days`. */
export function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** Returns a function that reports the progress on standard error after every 10 000 imported objects. */
export function progressOf(noun: string): (done: number) => void {
  let reported = 0;
  return (done) => {
    if (done < reported + 10_000) return;
    reported = done;
    console.error(`${counted(done, noun)} so far`);
  };
}

/** Returns a table of texts with a heading. Spaces align the columns. */
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

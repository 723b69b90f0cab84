/**
 * Runs the tasks one after another. A failed task does not prevent later tasks. Resolves to the results.
 * After all tasks have run, rejects with the error if one task has failed, and with an AggregateError if
 * several have failed.
 */
export async function runEach<T>(tasks: readonly (() => Promise<T>)[]): Promise<readonly T[]> {
  const results: T[] = [];
  const errors: unknown[] = [];
  for (const task of tasks) {
    try {
      results.push(await task());
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, errors.map(messageOf).join(' '));
  return results;
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Splits the items into parts of `size`, in order. The last part may be smaller. */
export function partsOf<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, n) => items.slice(n * size, (n + 1) * size));
}

import type { z } from 'zod';

/** The reasons why a mutation does not do what the caller requested. */
export const problemTable = {
  INVALID_INPUT: {
    meaning: 'A value is out of bounds. The message says which bounds.',
    retriable: false,
    advice: 'Correct the value at `path`.',
  },
  NOT_FOUND: {
    meaning: 'The object does not exist, or the caller may not see it.',
    retriable: false,
    advice: 'Check the id and the token.',
  },
  USER_NOT_FOUND: {
    meaning: 'The tenant has no such user.',
    retriable: false,
    advice: 'Create the user with `upsertUsers`, then send the mutation again.',
  },
  OPTED_OUT: {
    meaning: 'The user has opted out. The message names the preference.',
    retriable: false,
    advice: 'Do not send it. Only critical notifications of a locked category reach this user.',
  },
  CONFLICT: {
    meaning: 'The object is in a state that does not allow the change. The message says which state.',
    retriable: false,
    advice: 'Read the object again and decide again.',
  },
  IDEMPOTENCY_CONFLICT: {
    meaning: 'The idempotency key was used before with other input. Nothing was changed.',
    retriable: false,
    advice: 'Use a new key for a new request, and the same input for a repeat.',
  },
  TOO_MANY_ITEMS: {
    meaning: 'The call has more items than one call may have. Nothing was changed.',
    retriable: false,
    advice: 'Split the call.',
  },
  QUOTA_EXCEEDED: {
    meaning: 'The user or the tenant has reached the daily quota. The message says when to try again.',
    retriable: true,
    advice: 'Wait until the time that the message names.',
  },
  TOO_OLD: {
    meaning: 'The time is further in the past than the retention.',
    retriable: false,
    advice: 'Drop the event. It would not count.',
  },
  IN_FUTURE: {
    meaning: 'The time is too far in the future. The message names the maximum.',
    retriable: false,
    advice: 'Check the clock of the sender.',
  },
  ALREADY_DELIVERED: {
    meaning: 'The notification has reached the inbox and cannot be canceled or moved.',
    retriable: false,
    advice: 'Accept it. The user may have seen it.',
  },
} as const satisfies Record<
  string,
  { readonly meaning: string; readonly retriable: boolean; readonly advice: string }
>;

export type ProblemCode = keyof typeof problemTable;

/**
 * An expected failure of a mutation, for its caller. `path` is the path from the arguments of the mutation to
 * the wrong value.
 */
export interface Problem {
  readonly code: ProblemCode;
  readonly message: string;
  readonly path: readonly string[];
}

export function userNotFound(path: readonly string[]): Problem {
  return { code: 'USER_NOT_FOUND', message: 'No such user.', path };
}

/** Returns one problem for each issue of a failed parse. */
export function problemsOf(error: z.ZodError, path: readonly string[]): readonly Problem[] {
  return error.issues.map((issue) => {
    const where = [...path, ...issue.path.map(String)];
    const last = where.at(-1) ?? '';
    const what = /^\d+$/.test(last) ? `${where.at(-2)}[${last}]` : last;
    return { code: 'INVALID_INPUT', message: `${what} ${issue.message}.`, path: where };
  });
}

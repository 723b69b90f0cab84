import type { z } from 'zod';

/** Why an input that was understood was not done. */
export type ProblemCode =
  | 'INVALID_INPUT'
  | 'NOT_FOUND'
  | 'USER_NOT_FOUND'
  | 'OPTED_OUT'
  | 'CONFLICT'
  | 'IDEMPOTENCY_CONFLICT'
  | 'TOO_MANY_ITEMS'
  | 'QUOTA_EXCEEDED'
  | 'TOO_OLD'
  | 'IN_FUTURE'
  | 'ALREADY_DELIVERED';

/** One expected failure, as the caller reads it. `path` leads from the mutation's arguments to the value. */
export interface Problem {
  readonly code: ProblemCode;
  readonly message: string;
  readonly path: readonly string[];
}

export function userNotFound(path: readonly string[]): Problem {
  return { code: 'USER_NOT_FOUND', message: 'No such user.', path };
}

/** One problem per issue of a failed parse. */
export function problemsOf(error: z.ZodError, path: readonly string[]): readonly Problem[] {
  return error.issues.map((issue) => {
    const where = [...path, ...issue.path.map(String)];
    const last = where.at(-1) ?? '';
    const what = /^\d+$/.test(last) ? `${where.at(-2)}[${last}]` : last;
    return { code: 'INVALID_INPUT', message: `${what} ${issue.message}.`, path: where };
  });
}

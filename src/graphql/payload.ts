import { Field, InterfaceType, ObjectType, registerEnumType } from 'type-graphql';
import { type Problem, problemTable } from '../domain/problem.ts';

export enum UserErrorCode {
  INVALID_INPUT = 'INVALID_INPUT',
  NOT_FOUND = 'NOT_FOUND',
  USER_NOT_FOUND = 'USER_NOT_FOUND',
  OPTED_OUT = 'OPTED_OUT',
  CONFLICT = 'CONFLICT',
  IDEMPOTENCY_CONFLICT = 'IDEMPOTENCY_CONFLICT',
  TOO_MANY_ITEMS = 'TOO_MANY_ITEMS',
  QUOTA_EXCEEDED = 'QUOTA_EXCEEDED',
  TOO_OLD = 'TOO_OLD',
  IN_FUTURE = 'IN_FUTURE',
  ALREADY_DELIVERED = 'ALREADY_DELIVERED',
}

registerEnumType(UserErrorCode, {
  name: 'UserErrorCode',
  description: 'The reason why a mutation refused a change. The other parts of the result are valid.',
  valuesConfig: Object.fromEntries(
    Object.entries(problemTable).map(([code, { meaning }]) => [code, { description: meaning }]),
  ),
});

@ObjectType({ description: 'One expected failure for the caller to handle.', simpleResolvers: true })
export class UserError {
  @Field(() => UserErrorCode, { description: 'The code, for programs to act on.' })
  code!: UserErrorCode;

  @Field(() => String, {
    description: 'The message, for people to read. The message says what is wrong, where, and what to do.',
  })
  message!: string;

  @Field(() => [String], {
    nullable: true,
    description:
      'The path from the arguments of the mutation to the value, e.g. `["input", "views", "3", "name"]`.',
  })
  path!: readonly string[] | null;
}

/** The maximum number of items in one call of a bulk mutation. */
const maxItems = 500;

/**
 * Returns a problem if a list of the input is empty or longer than `maxItems`. Returns undefined if the
 * length is valid.
 */
export function countProblem(name: string, count: number): Problem | undefined {
  if (count > 0 && count <= maxItems) return undefined;
  const code = count === 0 ? 'INVALID_INPUT' : 'TOO_MANY_ITEMS';
  return { code, message: `${name} must have 1 to ${maxItems} entries.`, path: ['input', name] };
}

@InterfaceType({ description: 'The fields that the result of every mutation has.' })
export abstract class MutationPayload {
  @Field(() => [UserError], { description: 'The expected failures. Empty if everything was done.' })
  userErrors!: readonly UserError[];
}

export function userErrorsOf(problems: readonly Problem[]): readonly UserError[] {
  return problems.map(({ code, message, path }) => ({ code: UserErrorCode[code], message, path }));
}

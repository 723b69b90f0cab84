import { Field, InterfaceType, ObjectType, registerEnumType } from 'type-graphql';
import type { Problem } from '../domain/problem.ts';

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
  description: 'Why a mutation did not do what was asked. The rest of the answer stands.',
  valuesConfig: {
    INVALID_INPUT: { description: 'A value is out of bounds; the message says which bounds.' },
    NOT_FOUND: { description: 'There is no such thing, or it is not visible to the caller.' },
    USER_NOT_FOUND: { description: 'There is no such user in the tenant.' },
    OPTED_OUT: { description: 'The user chose not to receive this; the message says what they chose.' },
    CONFLICT: { description: 'It is in a state in which this cannot be done; the message says which.' },
    IDEMPOTENCY_CONFLICT: {
      description: 'The idempotency key was used before with other input. Nothing was changed.',
    },
    TOO_MANY_ITEMS: { description: 'More items than one call takes. Nothing was changed.' },
    QUOTA_EXCEEDED: {
      description:
        'The user or the tenant has recorded as much as a day allows; the message says when to try again.',
    },
    TOO_OLD: { description: 'The moment lies before the retention.' },
    IN_FUTURE: { description: 'The moment lies further ahead than is taken; the message says how far.' },
    ALREADY_DELIVERED: { description: 'It has reached the inbox and cannot be taken back or moved.' },
  },
});

@ObjectType({ description: 'One expected failure, for the caller to handle.', simpleResolvers: true })
export class UserError {
  @Field(() => UserErrorCode, { description: 'For programs.' })
  code!: UserErrorCode;

  @Field(() => String, { description: 'For people: what, where and what to do.' })
  message!: string;

  @Field(() => [String], {
    nullable: true,
    description: 'From the mutation\'s arguments to the value, e.g. `["input", "views", "3", "name"]`.',
  })
  path!: readonly string[] | null;
}

/** Items one bulk mutation takes. */
const maxItems = 500;

/** What is wrong with the number of items in a list of the input. */
export function countProblem(name: string, count: number): Problem | undefined {
  if (count > 0 && count <= maxItems) return undefined;
  const code = count === 0 ? 'INVALID_INPUT' : 'TOO_MANY_ITEMS';
  return { code, message: `${name} must have 1 to ${maxItems} entries.`, path: ['input', name] };
}

@InterfaceType({ description: 'What every mutation answers.' })
export abstract class MutationPayload {
  @Field(() => [UserError], { description: 'Empty when everything was done.' })
  userErrors!: readonly UserError[];
}

/** Problems as the API shows them. */
export function userErrorsOf(problems: readonly Problem[]): readonly UserError[] {
  return problems.map(({ code, message, path }) => ({ code: UserErrorCode[code], message, path }));
}

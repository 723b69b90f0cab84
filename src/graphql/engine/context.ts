import type { Caller } from '../../domain/caller.ts';
import { AppError } from '../../domain/error.ts';
import type { UserKey } from '../../domain/user.ts';
import { name } from '../../events/text.ts';

/** Finds the resolver instances of an app; the schema itself is one per process. */
export interface ResolverContainer {
  get<T>(resolverClass: abstract new (...args: never[]) => T): T;
}

/** What every resolver knows about the request. */
export interface Context {
  readonly caller: Caller;
  /** Names the request in answers and logs. */
  readonly requestId: string;
  readonly container: ResolverContainer;
}

/**
 * The user an operation is about: by default the caller. Naming another needs a service or admin token; that is refused in
 * the same words whether the other exists or not.
 */
export function targetUser({ caller }: Context, userId: string | null | undefined): UserKey {
  const { tenantId, role, subject } = caller;
  if (role === 'user') {
    if (userId !== null && userId !== undefined && userId !== subject) {
      throw new AppError(
        'FORBIDDEN',
        'A user token acts for its own user only; another needs a service token.',
      );
    }
    return { tenantId, userId: subject };
  }
  if (userId === null || userId === undefined) {
    throw new AppError('BAD_USER_INPUT', `userId is required with a token of role ${role}.`);
  }
  if (!name.safeParse(userId).success) {
    throw new AppError('BAD_USER_INPUT', 'userId must have 1 to 128 characters and no control characters.');
  }
  return { tenantId, userId };
}

/** Whether the caller may see that user's data. */
export function maySee({ caller }: Context, userId: string): boolean {
  return caller.role !== 'user' || caller.subject === userId;
}

import type { Caller } from '../../domain/caller.ts';
import { AppError } from '../../domain/error.ts';
import type { UserKey } from '../../domain/user.ts';
import { name } from '../../events/text.ts';

/** The resolver instances of one app. All apps of a process share one schema. */
export interface ResolverContainer {
  get<T>(resolverClass: abstract new (...args: never[]) => T): T;
}

/** The context of a request, which every resolver receives. */
export interface Context {
  readonly caller: Caller;
  /** Identifies the request in error answers and log messages. */
  readonly requestId: string;
  readonly container: ResolverContainer;
}

/**
 * Returns the user to act for, which defaults to the caller. Throws FORBIDDEN if a user token names another
 * user. The error text does not reveal whether that user exists. Throws BAD_USER_INPUT if a service or admin
 * token names no user, or if the id is invalid.
 */
export function targetUser({ caller }: Context, userId: string | null | undefined): UserKey {
  const { tenantId, role, subject } = caller;
  if (role === 'user') {
    if (userId !== null && userId !== undefined && userId !== subject) {
      throw new AppError(
        'FORBIDDEN',
        'A user token can act only for its own user. To act for another user, use a service token.',
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

/** Whether the caller may see the data of the user. Only services, admins and the user may see the data. */
export function maySee({ caller }: Context, userId: string): boolean {
  return caller.role !== 'user' || caller.subject === userId;
}

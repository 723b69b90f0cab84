import type { Caller } from '../domain/caller.ts';

/** Tells who a bearer token speaks for. */
export interface Authenticator {
  /**
   * The caller a token names: its signature holds, it has not expired, its claims are well-formed. Rejects with
   * UNAUTHENTICATED, or with UNAVAILABLE when the issuer's keys cannot be had.
   */
  authenticate(token: string): Promise<Caller>;
}

/** A token that was valid and has expired: get a new one and come back. */
export const expiredMessage = 'The token has expired.';

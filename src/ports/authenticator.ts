import type { Caller } from '../domain/caller.ts';

/** Verifies bearer tokens. */
export interface Authenticator {
  /**
   * Returns the caller of a token whose signature is valid, that has not expired, and whose claims are
   * well-formed. Rejects with UNAUTHENTICATED for any other token, and with UNAVAILABLE if the keys of the
   * issuer cannot be fetched.
   */
  authenticate(token: string): Promise<Caller>;
}

/**
 * The message for a token that was valid and has expired. The client should get a new token and try again.
 */
export const expiredMessage = 'The token has expired.';

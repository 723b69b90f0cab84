import type { Caller } from '../domain/caller.ts';

/** Verifies bearer tokens. */
export interface Authenticator {
  /**
   * Returns the caller of a token. The token must have a valid signature and well-formed claims, and must not
   * have expired. Rejects with UNAUTHENTICATED for any other token, and with UNAVAILABLE if the keys of the
   * issuer cannot be fetched.
   */
  authenticate(token: string): Promise<Caller>;
}

/**
 * The error message for a token that was valid but has expired. The client should get a new token and send
 * the request again.
 */
export const expiredMessage = 'The token has expired.';

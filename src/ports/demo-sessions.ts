/**
 * Creates codes that open the demo in a browser. Each code works only one time. The page therefore never
 * contains a token.
 */
export interface DemoSessions {
  /** Creates a code for one session. The code expires after 10 minutes. */
  createCode(): string;
  /**
   * Returns a token for the user of the demo. With the token, the user may send notifications to themselves.
   * The token expires after 12 hours. Rejects with UNAUTHENTICATED if the code is invalid, expired or used.
   */
  redeem(code: string): Promise<string>;
}

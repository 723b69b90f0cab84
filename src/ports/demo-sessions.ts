/** Opens the demo in a browser with a code that works once, so that no page carries a token. */
export interface DemoSessions {
  /** Creates a code for one session. It expires after 10 minutes. */
  createCode(): string;
  /**
   * Returns a token for the demo's user that may send notifications to that user. It expires after 12 hours.
   * Rejects with UNAUTHENTICATED if the code is invalid, expired or used.
   */
  redeem(code: string): Promise<string>;
}

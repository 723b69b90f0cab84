/** Lets a browser into the demo by a code that works once, so that no page carries a token. */
export interface DemoSessions {
  /** A code for one session, good for 10 minutes. */
  createCode(): string;
  /**
   * A token that acts for the demo's user and may send notifications to that user, good for 12 hours. Rejects with
   * UNAUTHENTICATED if the code is not valid, has expired or was used.
   */
  redeem(code: string): Promise<string>;
}

/** Tells whether the database can be used. */
export interface HealthStore {
  /** The version of the database, such as `18.4`. */
  version(): Promise<string>;
  /** Resolves when the database answers. */
  ping(): Promise<void>;
  /**
   * Why the database accepts no writes. Undefined if it does. The results of the last writes decide. Without
   * recent writes, the function asks on a new connection.
   */
  problem(): Promise<string | undefined>;
  /** Resolves if the database makes a small write durable within a second. */
  probe(): Promise<void>;
}

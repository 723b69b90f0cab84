/** Tells whether the database can be used. */
export interface HealthStore {
  /** The version of the database, such as `18.4`. */
  version(): Promise<string>;
  /** Resolves when the database answers. */
  ping(): Promise<void>;
  /**
   * Returns why the database accepts no writes. Returns undefined if the database accepts writes. The
   * function looks at the results of the last writes. If there were no recent writes, the function asks the
   * database on a new connection.
   */
  problem(): Promise<string | undefined>;
  /** Resolves if the database makes a small write durable within 1 second. */
  probe(): Promise<void>;
}

/** Creates the monthly partitions of tables. */
export interface PartitionStore {
  /**
   * Creates the partitions for page views and other activity of the months (UTC) that contain these moments.
   * The call is cheap if the partitions exist.
   */
  preparePageViews(moments: readonly Date[]): Promise<void>;
}

/** Creates the monthly partitions of tables. */
export interface PartitionStore {
  /**
   * Creates the partitions for page views and other activity of the months of these moments (UTC). Cheap when the partitions
   * exist.
   */
  preparePageViews(moments: readonly Date[]): Promise<void>;
}

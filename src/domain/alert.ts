/** The result of comparing an hour with the same hour of other days. */
export interface Unusual {
  readonly count: number;
  /** The mean of the other days. */
  readonly mean: number;
  /** Standard deviations from the mean. Positive means more than usual. */
  readonly score: number;
}

export interface AlertRule {
  /** The minimum number of standard deviations from the mean that makes an hour unusual. */
  readonly minScore: number;
  /** The rule ignores an hour if both its count and the mean of the other days are below this. */
  readonly minCount: number;
  /**
   * The minimum number of other days with activity in that hour. With fewer days, the hour is not compared.
   */
  readonly minDays: number;
}

/**
 * Compares a count with the counts of the same hour on past days, by a z-score. The standard deviation is
 * assumed to be at least the square root of the mean, as it is for independent events (a Poisson
 * distribution). So a few similar days do not make every other day unusual. Days without activity are
 * ignored, because the site may not have existed.
 */
export function unusual(count: number, past: readonly number[], rule: AlertRule): Unusual | undefined {
  const days = past.filter((one) => one > 0);
  if (days.length < rule.minDays) return undefined;
  const mean = days.reduce((sum, one) => sum + one, 0) / days.length;
  if (Math.max(count, mean) < rule.minCount) return undefined;
  const variance = days.reduce((sum, one) => sum + (one - mean) ** 2, 0) / days.length;
  const score = (count - mean) / Math.sqrt(Math.max(variance, mean));
  return Math.abs(score) >= rule.minScore ? { count, mean, score } : undefined;
}

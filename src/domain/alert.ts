/** How an hour compares with the same hour of other days. */
export interface Unusual {
  readonly count: number;
  /** Of the other days. */
  readonly mean: number;
  /** Standard deviations from the mean; positive: more than usual. */
  readonly score: number;
}

export interface AlertRule {
  /** Standard deviations from which on an hour is unusual. */
  readonly minScore: number;
  /** An hour is looked at when it, or the mean of the others, has so many. */
  readonly minCount: number;
  /** Other days with any activity in that hour that there must be. */
  readonly minDays: number;
}

/**
 * What is unusual about a count, given those of the same hour of past days: a z-score. The deviation is taken to be at least
 * that of chance, the root of the mean (of independent events, a Poisson distribution), so that a few quiet days do not
 * make every other one unusual. Days without activity do not count: the site may not have been there.
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

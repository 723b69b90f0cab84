import { topics } from '../events/topic.ts';
import { projectionGroup } from '../flow/apply/consume.ts';
import { metricsGroup } from '../flow/apply/count.ts';

/** The consumer groups of the workers, by topic. */
export const consumerGroups: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.values(topics).map((topic) => [
    topic,
    topic === topics.userActivity ? [projectionGroup, metricsGroup] : [projectionGroup],
  ]),
);

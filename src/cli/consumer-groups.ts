import { topics } from '../events/topic.ts';
import { projectionGroup } from '../flow/apply/consume.ts';
import { metricsGroup } from '../flow/apply/count.ts';

/** The topics that workers consume, and for which groups. */
export const consumerGroups: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.values(topics).map((topic) => [
    topic,
    topic === topics.userActivity ? [projectionGroup, metricsGroup] : [projectionGroup],
  ]),
);

import { z } from 'zod';
import type { EventFamily, EventOf } from './envelope.ts';
import { name } from './text.ts';
import { topics } from './topic.ts';

/** The default activity type. Page views have their own kind of event and count in the stats. */
export const pageViewType = 'page_view';

/** The name of an activity type, such as `page_view`, `click`, `login`. */
export const activityTypeName = name;

/** An event for an action of a user that is not a page view. The event counts only in the metrics. */
export const activityRecorded = {
  type: 'activityRecorded',
  topic: topics.userActivity,
  schemaVersion: 1,
  data: z.object({
    activityType: activityTypeName.refine(
      (type) => type !== pageViewType,
      `must be another than ${pageViewType}`,
    ),
  }),
} as const satisfies EventFamily<string, z.ZodType>;

export type ActivityRecorded = EventOf<typeof activityRecorded>;

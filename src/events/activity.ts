import { z } from 'zod';
import type { EventFamily, EventOf } from './envelope.ts';
import { name } from './text.ts';
import { topics } from './topic.ts';

/** What an activity is when nobody says: the one that is an event of its own, with stats. */
export const pageViewType = 'page_view';

/** The name of an activity type, such as `page_view`, `click`, `login`. */
export const activityTypeName = name;

/** A user did something other than look at a page. It counts in the metrics and nowhere else. */
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

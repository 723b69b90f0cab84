import { z } from 'zod';
import type { EventFamily, EventOf } from './envelope.ts';
import { name, text } from './text.ts';
import { topics } from './topic.ts';

/** An event for a page view of a user. */
export const pageViewed = {
  type: 'pageViewed',
  topic: topics.userActivity,
  schemaVersion: 1,
  data: z.object({
    /** The name of the page, for display. The stats count the views of each name. */
    name: text(500),
    path: text(2000).optional(),
    subjectId: name.optional(),
  }),
} as const satisfies EventFamily<string, z.ZodType>;

export type PageViewed = EventOf<typeof pageViewed>;

import { z } from 'zod';
import type { EventFamily, EventOf } from './envelope.ts';
import { name, text } from './text.ts';
import { topics } from './topic.ts';

/** A user viewed a page. */
export const pageViewed = {
  type: 'pageViewed',
  topic: topics.userActivity,
  schemaVersion: 1,
  data: z.object({
    /** The name of the page for people. Stats count by this name. */
    name: text(500),
    path: text(2000).optional(),
    subjectId: name.optional(),
  }),
} as const satisfies EventFamily<string, z.ZodType>;

export type PageViewed = EventOf<typeof pageViewed>;

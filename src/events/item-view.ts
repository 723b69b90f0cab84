import { z } from 'zod';
import type { EventFamily, EventOf } from './envelope.ts';
import { collectionName, name } from './text.ts';
import { topics } from './topic.ts';

/** The maximum number of items in an event, and in a call of the API. */
export const maxItems = 500;

/** An event for a view of items of a collection. The items need not be published. */
export const itemViewed = {
  type: 'itemViewed',
  topic: topics.userActivity,
  schemaVersion: 1,
  data: z.object({
    collection: collectionName,
    itemIds: z.array(name).min(1, 'must have at least 1 entry').max(maxItems),
  }),
} as const satisfies EventFamily<string, z.ZodType>;

export type ItemViewed = EventOf<typeof itemViewed>;

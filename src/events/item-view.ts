import { z } from 'zod';
import type { EventFamily, EventOf } from './envelope.ts';
import { collectionName, name } from './text.ts';
import { topics } from './topic.ts';

/** The most items of one event and one call. */
export const maxItems = 500;

/** A user viewed items of a collection, published or not. */
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

import type { PubSub } from '../../ports/pub-sub.ts';

/**
 * The topic of due times. A process that writes a row with a due time publishes the due time to this topic.
 */
export const dueTopic = 'due';

/**
 * Sends the earliest of the due times to the schedules of all processes. Null means that a row has no due
 * time.
 */
export async function announceDue(pubSub: PubSub, dueAt: readonly (Date | null)[]): Promise<void> {
  const moments = dueAt.flatMap((at) => at?.getTime() ?? []);
  if (moments.length === 0) return;
  // A lost message is harmless, because a schedule also checks for due rows from time to time. The checks
  // also help if a process dies before it publishes.
  await pubSub
    .publish([{ topic: dueTopic, value: String(moments.reduce((a, b) => Math.min(a, b))) }])
    .catch(() => {});
}

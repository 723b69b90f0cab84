import type { PubSub } from '../../ports/pub-sub.ts';

/** The topic of due times. A process that writes a row with a due time publishes the time here. */
export const dueTopic = 'due';

/**
 * Sends the earliest of the due times to the schedules of all processes. null means that nothing becomes due.
 */
export async function announceDue(pubSub: PubSub, dueAt: readonly (Date | null)[]): Promise<void> {
  const moments = dueAt.flatMap((at) => at?.getTime() ?? []);
  if (moments.length === 0) return;
  // A lost message is harmless: a schedule also looks for due rows from time to time, which covers a process
  // that dies before it publishes.
  await pubSub
    .publish([{ topic: dueTopic, value: String(moments.reduce((a, b) => Math.min(a, b))) }])
    .catch(() => {});
}

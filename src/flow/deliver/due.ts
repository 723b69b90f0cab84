import type { PubSub } from '../../ports/pub-sub.ts';

/** Where those who write something that time will change say when. */
export const dueTopic = 'due';

/** Tells the schedules of all processes the earliest of the moments at which time changes something. */
export async function announceDue(pubSub: PubSub, dueAt: readonly (Date | null)[]): Promise<void> {
  const moments = dueAt.flatMap((at) => at?.getTime() ?? []);
  if (moments.length === 0) return;
  // Lost, it is found by the next look, like one of a process that was killed here.
  await pubSub
    .publish([{ topic: dueTopic, value: String(moments.reduce((a, b) => Math.min(a, b))) }])
    .catch(() => {});
}

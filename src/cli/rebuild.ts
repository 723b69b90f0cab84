import type { LimitThresholds } from '../domain/limit-use.ts';
import { topics } from '../events/topic.ts';
import { projectionGroup } from '../flow/apply/consume.ts';
import { metricsGroup } from '../flow/apply/count.ts';
import { createRebuild } from '../flow/background/rebuild.ts';
import type { BadgeCache } from '../ports/badge-cache.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventLog } from '../ports/event-log.ts';
import { silent } from '../ports/logger.ts';
import type { PubSub } from '../ports/pub-sub.ts';
import type { Store } from '../ports/store/store.ts';

interface Deps {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: EventLog;
  readonly pubSub: PubSub;
  readonly cache: BadgeCache;
}

interface Options {
  readonly from: Date;
  readonly to: Date;
  readonly dryRun: boolean;
  readonly logRetentionDays: number;
  readonly limitThresholds: LimitThresholds;
}

export const rebuildable = ['metrics', 'badges', 'limits'] as const;
export type Rebuildable = (typeof rebuildable)[number];

/** The topics that workers consume, and for which groups. */
export const replayable: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.values(topics).map((topic) => [
    topic,
    topic === topics.userActivity ? [projectionGroup, metricsGroup] : [projectionGroup],
  ]),
);

/** What a rebuild amounted to, in a sentence; undefined when another was running. */
export async function rebuildAll(
  deps: Deps,
  what: Rebuildable,
  { from, to, dryRun, ...options }: Options,
  say: (line: string) => void,
): Promise<string | undefined> {
  const rebuild = createRebuild({ ...deps, logger: silent }, options);
  const outcome = (differed: number) =>
    differed === 0
      ? 'nothing differs'
      : `${differed} differ${dryRun ? '; nothing was changed' : 'ed and were repaired'}`;
  if (what === 'badges') {
    let [checked, differed] = [0, 0];
    const ran = await rebuild.badges({ dryRun }, (some) => {
      checked += some.checked;
      differed += some.differed;
      say(`${checked} badges so far, ${differed} differ`);
    });
    return ran ? `${checked} badges: ${outcome(differed)}.` : undefined;
  }
  if (what === 'limits') {
    let [checked, differed, unfounded] = [0, 0, 0];
    const ran = await rebuild.limits({ dryRun }, (some) => {
      checked += some.checked;
      differed += some.differed;
      unfounded += some.unfounded;
      say(`${checked} limits so far, ${differed} differ`);
    });
    const left =
      unfounded === 0 ? '' : ` ${unfounded} left alone: their events are not kept or cannot be read.`;
    return ran ? `${checked} limits: ${outcome(differed)}.${left}` : undefined;
  }
  let [days, differed] = [0, 0];
  const ran = await rebuild.metrics({ from, to }, { dryRun }, ({ day, difference }) => {
    const { buckets, pageViewsCounted, pageViewsKept, types, membersMissing, membersSurplus } = difference;
    const sum = buckets + types + membersMissing + membersSurplus;
    days += 1;
    differed += sum;
    if (sum === 0) return;
    say(
      `${day.toISOString().slice(0, 10)}  ${buckets} buckets (${pageViewsKept} page views in them, ${pageViewsCounted} counted), ${types} types, ${membersMissing} users missing, ${membersSurplus} too many`,
    );
  });
  return ran ? `${days} days: ${outcome(differed)}.` : undefined;
}

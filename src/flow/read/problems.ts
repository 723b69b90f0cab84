import type { EventLog } from '../../ports/event-log.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { Store } from '../../ports/store/store.ts';

/**
 * Maps each backend that is unavailable now to its problem. The names of the backends are `store`, `log` and
 * `pub/sub`. Empty if all backends are available.
 */
export async function problemsOf({
  store,
  log,
  pubSub,
}: {
  readonly store: Pick<Store, 'problem'>;
  readonly log: Pick<EventLog, 'health'>;
  readonly pubSub: Pick<PubSub, 'health'>;
}): Promise<Readonly<Record<string, string>>> {
  const [storeProblem, { problem: logProblem }] = await Promise.all([store.problem(), log.health()]);
  const all = { store: storeProblem, log: logProblem, 'pub/sub': pubSub.health().problem };
  return Object.fromEntries(
    Object.entries(all).flatMap(([backend, problem]) => (problem === undefined ? [] : [[backend, problem]])),
  );
}

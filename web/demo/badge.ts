import type { BadgeStateFragment, UpdateKind } from '../generated/graphql.ts';

/** A badge as it reaches the page: SNAPSHOT opens every (re)connection, CHANGE and REPLY follow. */
export interface BadgeArrival {
  /** REPLY: it came with the answer to a query or mutation, not over the subscription. */
  readonly kind: UpdateKind | 'REPLY';
  readonly badge: BadgeStateFragment;
}

/**
 * The badge to show. States are absolute and versions grow with every commit, so the newer version wins whichever
 * way it came; answers and pushes overtake one another. A snapshot wins always: it is the truth read after
 * subscribing, even from a server whose data was set back.
 */
export function newerBadge(
  shown: BadgeStateFragment | undefined,
  { kind, badge }: BadgeArrival,
): BadgeStateFragment {
  if (shown === undefined || kind === 'SNAPSHOT') return badge;
  return badge.version > shown.version ? badge : shown;
}

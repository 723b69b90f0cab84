import type { BadgeStateFragment, UpdateKind } from '../generated/graphql.ts';

/**
 * A badge that reaches the page. The first badge of every connection is a SNAPSHOT. CHANGE and REPLY badges
 * follow.
 */
export interface BadgeArrival {
  /** REPLY means that the badge came with the answer to a query or mutation, not over the subscription. */
  readonly kind: UpdateKind | 'REPLY';
  readonly badge: BadgeStateFragment;
}

/**
 * Chooses the badge to show. Answers and pushes can overtake each other, so the badge with the higher version
 * wins. Every badge is a complete state, and its version grows with every commit. A snapshot always wins,
 * even with a lower version. The server reads the snapshot after the page subscribes, so the snapshot is
 * correct even if the data of the server was restored from a backup.
 */
export function newerBadge(
  shown: BadgeStateFragment | undefined,
  { kind, badge }: BadgeArrival,
): BadgeStateFragment {
  if (shown === undefined || kind === 'SNAPSHOT') return badge;
  return badge.version > shown.version ? badge : shown;
}

import type { BadgeStateFragment, UpdateKind } from '../generated/graphql.ts';

/** A badge that reaches the page. A SNAPSHOT opens every connection. CHANGE and REPLY follow. */
export interface BadgeArrival {
  /** REPLY means that the badge came with the answer to a query or mutation, not over the subscription. */
  readonly kind: UpdateKind | 'REPLY';
  readonly badge: BadgeStateFragment;
}

/**
 * Chooses the badge to show. Badges are absolute states and their version grows with every commit. So the
 * newer version wins, because answers and pushes can overtake each other. A snapshot always wins. The server
 * reads it after the page subscribes, so it is right even if the data of the server was restored from a
 * backup.
 */
export function newerBadge(
  shown: BadgeStateFragment | undefined,
  { kind, badge }: BadgeArrival,
): BadgeStateFragment {
  if (shown === undefined || kind === 'SNAPSHOT') return badge;
  return badge.version > shown.version ? badge : shown;
}

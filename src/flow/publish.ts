import { z } from 'zod';
import { type Badge, type BadgeCause, badgeCauses, writtenBadge } from '../domain/badge.ts';
import { isRetriable } from '../domain/error.ts';
import type { ZonedLimit } from '../domain/limit.ts';
import { type UserKey, userKeyOf } from '../domain/user.ts';
import { writeLimit } from '../domain/written-limit.ts';
import { type BadgeCache, noBadgeCache } from '../ports/badge-cache.ts';
import type { Logger } from '../ports/logger.ts';
import type { PubSub } from '../ports/pub-sub.ts';

/** One topic per badge; a message on it is the badge's whole state. Neither part holds control characters. */
export function badgeTopic(user: UserKey, key: string): string {
  return `badge:${userKeyOf(user)}\n${key}`;
}

/**
 * Tells the cache and the watchers. After the commit and never before. A message that cannot be sent undoes nothing, since
 * watchers re-read now and then; that pub/sub is away is said by itself, once and not for each message.
 */
export async function publishBadges(
  {
    pubSub,
    cache = noBadgeCache,
    logger,
  }: { readonly pubSub: PubSub; readonly cache?: BadgeCache | undefined; readonly logger: Logger },
  badges: readonly Badge[],
  cause: BadgeCause,
): Promise<void> {
  // Whoever acted and is answered reads what they wrote.
  const cached = cache.write(badges);
  try {
    await pubSub.publish(
      badges.map((badge) => ({
        topic: badgeTopic(badge, badge.key),
        value: JSON.stringify({ badge, cause }),
      })),
    );
  } catch (err) {
    if (!isRetriable(err)) logger.error({ err, badges: badges.length }, 'badges could not be published');
  }
  await cached;
}

const message = z.object({
  badge: writtenBadge,
  cause: z.enum(badgeCauses),
});

/** Reads a message of a badge topic; undefined when it is not one. */
export function parseBadgeMessage(
  value: string,
): { readonly badge: Badge; readonly cause: BadgeCause } | undefined {
  try {
    return message.parse(JSON.parse(value));
  } catch {
    return undefined;
  }
}

/** One topic per user; a message on it is one limit's whole state. */
export function limitTopic(user: UserKey): string {
  return `limit:${userKeyOf(user)}`;
}

/** Tells the watchers, after the commit, like `publishBadges`. */
export async function publishLimits(
  { pubSub, logger }: { readonly pubSub: PubSub; readonly logger: Logger },
  limits: readonly ZonedLimit[],
): Promise<void> {
  try {
    await pubSub.publish(limits.map((limit) => ({ topic: limitTopic(limit), value: writeLimit(limit) })));
  } catch (err) {
    if (!isRetriable(err)) logger.error({ err, limits: limits.length }, 'limits could not be published');
  }
}

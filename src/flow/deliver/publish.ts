import { z } from 'zod';
import type { Granularity, TypedBucket } from '../../domain/activity.ts';
import {
  type Badge,
  type BadgeCause,
  type BadgeKey,
  badgeCauses,
  serializedBadge,
} from '../../domain/badge.ts';
import { isRetriable } from '../../domain/error.ts';
import type { ZonedLimit } from '../../domain/limit.ts';
import { serializeLimit } from '../../domain/serialized-limit.ts';
import { type UserKey, userKeyOf } from '../../domain/user.ts';
import { type BadgeCache, noBadgeCache } from '../../ports/badge-cache.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Message, PubSub } from '../../ports/pub-sub.ts';

/**
 * One topic per badge; a message on it is the badge's whole state, or tells to read the badge again. Neither part holds control
 * characters.
 */
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
  const messages = badges.map((badge) => ({
    topic: badgeTopic(badge, badge.key),
    value: JSON.stringify({ badge, cause }),
  }));
  await send({ pubSub, logger }, messages);
  await cached;
}

/** A badge that moved: those who watch it read it again. */
export interface Move {
  readonly key: string;
  readonly cause: BadgeCause;
}

/** One topic per tenant and such a badge, however many watch it. A tenant has no control characters. */
export function moveTopic(tenantId: string, key: string): string {
  return `move:${tenantId}\n${key}`;
}

/** Tells the watchers, as `publishBadges` does. */
export function publishMove(
  deps: { readonly pubSub: PubSub; readonly logger: Logger },
  tenantId: string,
  move: Move,
): Promise<void> {
  return send(deps, [{ topic: moveTopic(tenantId, move.key), value: JSON.stringify(move) }]);
}

/** Tells those who watch these badges to read them again, each badge once, as `publishBadges` does. */
export function publishRereads(
  deps: { readonly pubSub: PubSub; readonly logger: Logger },
  badges: readonly BadgeKey[],
  cause: BadgeCause,
): Promise<void> {
  const messages = new Map(
    badges.map((badge) => {
      const move: Move = { key: badge.key, cause };
      const topic = badgeTopic(badge, badge.key);
      return [topic, { topic, value: JSON.stringify(move) }];
    }),
  );
  return send(deps, [...messages.values()]);
}

async function send(
  { pubSub, logger }: { readonly pubSub: PubSub; readonly logger: Logger },
  messages: readonly Message[],
): Promise<void> {
  try {
    await pubSub.publish(messages);
  } catch (err) {
    if (!isRetriable(err)) logger.error({ err, messages: messages.length }, 'badges could not be published');
  }
}

const cause = z.enum(badgeCauses);
const state = z.object({ badge: serializedBadge, cause });
const move = z.object({ key: z.string(), cause });

/** Reads a message of a badge topic; undefined when it is not one. */
export function parseBadgeMessage(value: string): z.output<typeof state> | undefined {
  return parse(state, value);
}

/** Reads a message of a move topic; undefined when it is not one. */
export function parseMove(value: string): Move | undefined {
  return parse(move, value);
}

function parse<Schema extends z.ZodType>(schema: Schema, value: string): z.output<Schema> | undefined {
  try {
    return schema.parse(JSON.parse(value));
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
    await pubSub.publish(limits.map((limit) => ({ topic: limitTopic(limit), value: serializeLimit(limit) })));
  } catch (err) {
    if (!isRetriable(err)) logger.error({ err, limits: limits.length }, 'limits could not be published');
  }
}

/** One topic per tenant and granularity; a message on it is the whole state of a bucket. */
export function activityTopic(tenantId: string, granularity: Granularity): string {
  return `activity:${tenantId}\n${granularity}`;
}

/** Publishes buckets to their watchers. A message that cannot be sent undoes nothing: watchers read again now and then. */
export async function publishBuckets(pubSub: PubSub, buckets: readonly TypedBucket[]): Promise<void> {
  const messages = buckets.map((bucket) => ({
    topic: activityTopic(bucket.tenantId, bucket.granularity),
    value: JSON.stringify(bucket),
  }));
  try {
    await pubSub.publish(messages);
  } catch (error) {
    if (!isRetriable(error)) throw error;
  }
}

/** A message on it is the key of a user who was erased: every process forgets what it keeps of that user in memory. */
export const erasedTopic = 'erased';

/** Reads each message once, however many listeners it reaches one after the other, and counts those that say nothing. */
export function parsedOnce<News>(parse: (value: string) => News | undefined) {
  let last: { readonly message: Message; readonly news: News | undefined } | undefined;
  let unreadable = 0;
  return {
    parse(message: Message): News | undefined {
      if (last?.message !== message) {
        last = { message, news: parse(message.value) };
        if (!last.news) unreadable += 1;
      }
      return last.news;
    },
    unreadable: (): number => unreadable,
  };
}

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
 * Returns the topic of one badge. A message is the whole state of the badge, or a request to read the badge
 * again. Neither the user key nor `key` contains control characters, so topics of different badges differ.
 */
export function badgeTopic(user: UserKey, key: string): string {
  return `badge:${userKeyOf(user)}\n${key}`;
}

/**
 * Writes badges to the cache and sends them to the watchers. Callers must call this function after the
 * commit. A failed publish does not undo the commit, because watchers read again from time to time. The
 * pub/sub adapter logs each outage once, so this function does not log a failure for each message.
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
  // Waits for the cache, so that the caller of a mutation reads the result of this mutation afterwards.
  const cached = cache.write(badges);
  const messages = badges.map((badge) => ({
    topic: badgeTopic(badge, badge.key),
    value: JSON.stringify({ badge, cause }),
  }));
  await send({ pubSub, logger }, messages);
  await cached;
}

/** A request to read a badge that may have changed. */
export interface Move {
  readonly key: string;
  readonly cause: BadgeCause;
}

/**
 * Returns the topic for requests to all watchers of a badge key in a tenant. A tenant id contains no control
 * characters.
 */
export function moveTopic(tenantId: string, key: string): string {
  return `move:${tenantId}\n${key}`;
}

/** Asks all watchers of a badge key in a tenant to read the badge again. Fails like `publishBadges`. */
export function publishMove(
  deps: { readonly pubSub: PubSub; readonly logger: Logger },
  tenantId: string,
  move: Move,
): Promise<void> {
  return send(deps, [{ topic: moveTopic(tenantId, move.key), value: JSON.stringify(move) }]);
}

/**
 * Asks the watchers of these badges to read their badges again. Sends one message per badge. Fails like
 * `publishBadges`.
 */
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
    if (!isRetriable(err)) logger.error({ err, messages: messages.length }, 'could not publish badges');
  }
}

const cause = z.enum(badgeCauses);
const state = z.object({ badge: serializedBadge, cause });
const move = z.object({ key: z.string(), cause });

/** Parses a message of a badge topic. Undefined if the message is not a badge state. */
export function parseBadgeMessage(value: string): z.output<typeof state> | undefined {
  return parse(state, value);
}

/** Parses a request to read a badge. Undefined if the message is no such request. */
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

/** Returns the topic of the limits of a user. A message is the whole state of one limit. */
export function limitTopic(user: UserKey): string {
  return `limit:${userKeyOf(user)}`;
}

/**
 * Sends limits to the watchers. Callers must call this function after the commit. Fails like `publishBadges`.
 */
export async function publishLimits(
  { pubSub, logger }: { readonly pubSub: PubSub; readonly logger: Logger },
  limits: readonly ZonedLimit[],
): Promise<void> {
  try {
    await pubSub.publish(limits.map((limit) => ({ topic: limitTopic(limit), value: serializeLimit(limit) })));
  } catch (err) {
    if (!isRetriable(err)) logger.error({ err, limits: limits.length }, 'could not publish limits');
  }
}

/** Returns the topic of the metrics of a tenant. A message is the whole state of one bucket. */
export function activityTopic(tenantId: string, granularity: Granularity): string {
  return `activity:${tenantId}\n${granularity}`;
}

/**
 * Sends buckets to the watchers. Messages are lost if pub/sub is unreachable, but watchers read the buckets
 * again from time to time.
 */
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

/**
 * The topic of erasures. A message is the key of an erased user. Every process that receives the message
 * drops the data about the user from its memory.
 */
export const erasedTopic = 'erased';

/**
 * Creates a parser that parses each message only once, even if several listeners in a row receive the same
 * message. The parser counts the messages that cannot be parsed.
 */
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

import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Resolver,
  Root,
  registerEnumType,
  Subscription,
} from 'type-graphql';
import { type Badge, collectionOf, displayCount, notificationsKey } from '../domain/badge.ts';
import { AppError } from '../domain/error.ts';
import type { Act } from '../flow/act/act.ts';
import type { NotificationReads } from '../flow/read/notifications.ts';
import type { Read } from '../flow/read/read.ts';
import type { BadgeUpdate, Watch } from '../flow/watch/watch.ts';
import { decodeCursor } from './connection.ts';
import { type Context, targetUser } from './engine/context.ts';
import { maxBadges } from './engine/cost-table.ts';
import { nodeId } from './node-id.ts';
import { Node } from './node-interface.ts';
import { isSeq } from './notification-cursor.ts';
import { MutationPayload, type UserError, userErrorsOf } from './payload.ts';
import { DateTime } from './scalars.ts';

@ObjectType('Badge', {
  implements: Node,
  simpleResolvers: true,
  description:
    'A count with a version. Absolute, never a difference: apply it if its version is newer than the one shown.',
})
export class BadgeType implements Node {
  id!: string;

  @Field(() => String, {
    description: 'Which badge of the user: `notifications`, or `items:` and the name of a collection.',
  })
  key!: string;

  @Field(() => Int, {
    description:
      'The number on the bell. Notifications: arrived since the inbox was last opened and not seen on their own. Items: published within the view horizon (183 days by default), not retracted and not viewed by the user.',
  })
  unseen!: number;

  @Field(() => Int, {
    description:
      'Notifications not read yet, seen or not; archived and snoozed ones do not count. Items: the same as unseen.',
  })
  unread!: number;

  @Field(() => Int, {
    description:
      'Grows with every change of this badge. Where nothing ever arrived it is 0 or, once a user of the tenant was erased, not lower than theirs was.',
  })
  version!: number;

  @Field(() => DateTime, { description: 'When the badge came to be as it is.' })
  asOf!: Date;
}

export const badgeNode = (badge: Badge) => ({
  ...badge,
  __typename: 'Badge' as const,
  id: nodeId('Badge', badge.userId, badge.key),
});

const collectionRule = '1 to 64 of A-Z a-z 0-9 _ . -';

export const isBadgeKey = (key: string) => key === notificationsKey || collectionOf(key) !== undefined;

/** Refuses a key that names no badge. */
export function checkBadgeKey(key: string): void {
  if (!isBadgeKey(key)) {
    throw new AppError(
      'BAD_USER_INPUT',
      `There is no badge with that key; there are ${notificationsKey} and items:<collection>, the collection ${collectionRule}.`,
    );
  }
}

/** The keys, each once. Refuses none, more than one may ask for, and those that name no badge. */
export function distinctKeys(keys: readonly string[]): readonly string[] {
  if (keys.length === 0 || keys.length > maxBadges) {
    throw new AppError('BAD_USER_INPUT', `keys must name 1 to ${maxBadges} badges.`);
  }
  keys.forEach(checkBadgeKey);
  return [...new Set(keys)];
}

@ObjectType({ simpleResolvers: true, description: 'What counts in one category.' })
class CategoryCount {
  @Field(() => String, { description: 'As the sender chose it.' })
  category!: string;

  @Field(() => Int, { description: 'Of the badge, those of this category.' })
  unseen!: number;

  @Field(() => Int, { description: 'Not read yet, seen or not.' })
  unread!: number;
}

enum UpdateKind {
  SNAPSHOT = 'SNAPSHOT',
  CHANGE = 'CHANGE',
}
registerEnumType(UpdateKind, {
  name: 'UpdateKind',
  description: 'Whether an update is where watching began or what changed since.',
  valuesConfig: {
    SNAPSHOT: {
      description:
        'The first update per badge: the true count when watching began. Show it whatever was shown before.',
    },
    CHANGE: { description: 'A newer state. States in between may have been skipped.' },
  },
});

enum BadgeCause {
  ARRIVED = 'ARRIVED',
  OPENED = 'OPENED',
  MARKED = 'MARKED',
  SNOOZED = 'SNOOZED',
  EXPIRED = 'EXPIRED',
  VIEWED = 'VIEWED',
  PUBLISHED = 'PUBLISHED',
  RETRACTED = 'RETRACTED',
  RECONCILED = 'RECONCILED',
  RESYNCED = 'RESYNCED',
}
registerEnumType(BadgeCause, {
  name: 'BadgeCause',
  description: 'What made a badge change; of several changes at once, the last.',
  valuesConfig: {
    ARRIVED: { description: 'A notification arrived.' },
    OPENED: { description: 'The user opened the inbox, here or elsewhere.' },
    MARKED: { description: 'The user marked notifications: seen, read, archived or the reverse.' },
    SNOOZED: { description: 'The user put a notification off.' },
    EXPIRED: { description: 'The time of a notification was over.' },
    VIEWED: {
      description: 'The user viewed items, or visited what notifications are about, which read them.',
    },
    PUBLISHED: { description: 'Items were published.' },
    RETRACTED: { description: 'Items were retracted.' },
    RECONCILED: { description: 'A recount found the badge to be off, and repaired it.' },
    RESYNCED: {
      description:
        'A re-read found a newer state: a push was lost, or items have left the view horizon. Or the user was erased, and with them all that counted.',
    },
  },
});

@ObjectType('BadgeUpdate', { simpleResolvers: true, description: 'A pushed badge.' })
export class BadgeUpdateType {
  @Field(() => UpdateKind, { description: 'SNAPSHOT first, then CHANGE.' })
  kind!: UpdateKind;

  @Field(() => BadgeType, { description: 'The whole state.' })
  badge!: BadgeType;

  @Field(() => BadgeCause, { nullable: true, description: 'Null for a snapshot.' })
  cause!: BadgeCause | null;
}

@InputType({ description: 'Which inbox was opened, and how far it was shown.' })
class OpenInboxInput {
  @Field(() => ID, {
    nullable: true,
    description: 'Default: the caller. Another needs a service or admin token.',
  })
  userId?: string | null;

  @Field(() => String, {
    defaultValue: notificationsKey,
    description: 'The badge to open: `notifications`. Items are seen by viewing them.',
  })
  key!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'Cursor of the newest notification the client showed; what arrived after it stays unseen. Absent: everything that had arrived.',
  })
  upTo?: string | null;
}

@ObjectType({ implements: MutationPayload, simpleResolvers: true, description: 'A badge after the change.' })
class BadgePayload implements MutationPayload {
  @Field(() => BadgeType, { nullable: true, description: 'Null when there are errors.' })
  badge!: BadgeType | null;

  userErrors!: readonly UserError[];
}

@Resolver(() => BadgeType)
export class BadgeResolver {
  constructor(
    private readonly deps: {
      readonly act: Act;
      readonly read: Read;
      readonly watch: Watch;
      readonly notificationReads: NotificationReads;
    },
  ) {}

  @FieldResolver(() => String, { description: 'The number for people: `99+` above max.' })
  display(
    @Root() badge: Badge,
    @Arg('max', () => Int, { defaultValue: 99, description: 'The largest number written out, 1 to 9999.' })
    max: number,
  ): string {
    if (max < 1 || max > 9_999) throw new AppError('BAD_USER_INPUT', 'max must be 1 to 9999.');
    return displayCount(badge.unseen, max);
  }

  @FieldResolver(() => [CategoryCount], {
    description:
      'The same counts per category, by name; categories with neither are left out. Read when selected. Items have none.',
  })
  async byCategory(@Root() badge: Badge): Promise<readonly CategoryCount[]> {
    return badge.key === notificationsKey ? this.deps.notificationReads.countByCategory(badge) : [];
  }

  @Mutation(() => BadgePayload, {
    description:
      'The user opened the inbox: what was shown is no longer unseen, on every device. Moves a watermark, never back; repeating it is harmless.',
  })
  async openInbox(@Arg('input', () => OpenInboxInput) input: OpenInboxInput, @Ctx() context: Context) {
    const user = targetUser(context, input.userId);
    checkBadgeKey(input.key);
    if (input.key !== notificationsKey) {
      const message =
        'Items are seen by viewing them: see recordItemViews. Only notifications can be opened.';
      const problem = { code: 'INVALID_INPUT', message, path: ['input', 'key'] } as const;
      return { badge: null, userErrors: userErrorsOf([problem]) };
    }
    const upTo = input.upTo ?? undefined;
    const [seq] = upTo === undefined ? [] : decodeCursor(upTo, 'notifications', user, isSeq);
    // Whoever holds a user token exists, even before anything was recorded of them.
    if (context.caller.role === 'user') await this.deps.read.self(user);
    const opened = await this.deps.act.openInbox(user, seq === undefined ? undefined : BigInt(seq));
    if ('problem' in opened) return { badge: null, userErrors: userErrorsOf([opened.problem]) };
    return { badge: badgeNode(opened.badge), userErrors: [] };
  }

  @Subscription(() => BadgeUpdateType, {
    description:
      'First a SNAPSHOT per badge, read after the subscription is live; then one CHANGE per newer version (intermediate ones may be skipped). After a reconnect it begins with a SNAPSHOT again, so nothing is missed.',
    subscribe: ({ args, context }: { args: { userId?: string; keys?: string[] }; context: Context }) =>
      context.container.get(BadgeResolver).watchBadges(args, context),
  })
  badgeChanged(
    @Root() { kind, badge, cause }: BadgeUpdate,
    @Arg('userId', () => ID, {
      nullable: true,
      description: 'Default: the caller. Another needs a service or admin token.',
    })
    _userId?: string,
    @Arg('keys', () => [String], {
      nullable: true,
      description:
        'Badges to watch, 1 to 100, e.g. `["notifications", "items:news"]`; a collection need not exist yet. Default: `["notifications"]`.',
    })
    _keys?: string[],
  ): BadgeUpdateType {
    return { kind: UpdateKind[kind], badge: badgeNode(badge), cause: cause && BadgeCause[cause] };
  }

  private watchBadges({ userId, keys }: { userId?: string; keys?: string[] }, context: Context) {
    const user = targetUser(context, userId);
    return this.deps.watch.badges(user, distinctKeys(keys ?? [notificationsKey]));
  }
}

/**
 * Resolvers that every push runs. They call the methods directly, because type-graphql answers with promises, which makes the
 * execution of a pushed badge asynchronous.
 */
export const badgeResolvers = {
  'Badge.display': (badge: Badge, { max }: { readonly max: number }, { container }: Context) =>
    container.get(BadgeResolver).display(badge, max),
  'Subscription.badgeChanged': (update: BadgeUpdate, _args: object, { container }: Context) =>
    container.get(BadgeResolver).badgeChanged(update),
};

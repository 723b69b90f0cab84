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
  description: 'An absolute count with a version. Show it if its version is newer than the one shown.',
})
export class BadgeType implements Node {
  id!: string;

  @Field(() => String, {
    description: 'The key of the badge: `notifications`, or `items:` followed by the name of a collection.',
  })
  key!: string;

  @Field(() => Int, {
    description:
      'The number to show. For notifications: how many arrived after the last opening of the inbox and were not marked as seen. For items: how many were published within the view horizon (183 days by default), are not retracted, and were not viewed by the user.',
  })
  unseen!: number;

  @Field(() => Int, {
    description:
      'The number of unread notifications, seen or not. Archived and snoozed notifications do not count. For items it equals `unseen`.',
  })
  unread!: number;

  @Field(() => Int, {
    description:
      'Increases with every change of this badge. Before the first change it is 0. If a user of the tenant was erased, it begins after the versions of the erased user.',
  })
  version!: number;

  @Field(() => DateTime, { description: 'The time of the last change of this badge.' })
  asOf!: Date;
}

export const badgeNode = (badge: Badge) => ({
  ...badge,
  __typename: 'Badge' as const,
  id: nodeId('Badge', badge.userId, badge.key),
});

const collectionRule = '1 to 64 of A-Z a-z 0-9 _ . -';

export const isBadgeKey = (key: string) => key === notificationsKey || collectionOf(key) !== undefined;

/** Throws BAD_USER_INPUT for a key that is not the key of a badge. */
export function checkBadgeKey(key: string): void {
  if (!isBadgeKey(key)) {
    throw new AppError(
      'BAD_USER_INPUT',
      `No badge has this key. Use ${notificationsKey} or items:<collection>. The name of a collection is ${collectionRule}.`,
    );
  }
}

/**
 * The keys without duplicates. Throws BAD_USER_INPUT for an empty list, for more than `maxBadges` keys, and
 * for a key that is not the key of a badge.
 */
export function distinctKeys(keys: readonly string[]): readonly string[] {
  if (keys.length === 0 || keys.length > maxBadges) {
    throw new AppError('BAD_USER_INPUT', `keys must have 1 to ${maxBadges} entries.`);
  }
  keys.forEach(checkBadgeKey);
  return [...new Set(keys)];
}

@ObjectType({ simpleResolvers: true, description: 'The counts of one category.' })
class CategoryCount {
  @Field(() => String, { description: 'The category, as the sender chose it.' })
  category!: string;

  @Field(() => Int, { description: 'The number of unseen notifications of this category in the badge.' })
  unseen!: number;

  @Field(() => Int, { description: 'The number of unread notifications, seen or not.' })
  unread!: number;
}

enum UpdateKind {
  SNAPSHOT = 'SNAPSHOT',
  CHANGE = 'CHANGE',
}
registerEnumType(UpdateKind, {
  name: 'UpdateKind',
  description: 'Whether an update is the first state or a change.',
  valuesConfig: {
    SNAPSHOT: {
      description:
        'The first update per badge, with the count at the start of the subscription. Show it, whatever was shown before.',
    },
    CHANGE: { description: 'A newer state. Intermediate states may be skipped.' },
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
  description: 'Why a badge changed. If several changes were combined, the cause of the last change.',
  valuesConfig: {
    ARRIVED: { description: 'A notification arrived.' },
    OPENED: { description: 'The user opened the inbox on any device.' },
    MARKED: { description: 'Notifications were marked as seen, read, archived or the reverse.' },
    SNOOZED: { description: 'The user snoozed a notification.' },
    EXPIRED: { description: 'A notification expired.' },
    VIEWED: {
      description:
        'The user viewed items, or visited the subject of notifications, which marks them as read.',
    },
    PUBLISHED: { description: 'Items were published.' },
    RETRACTED: { description: 'Items were retracted.' },
    RECONCILED: { description: 'A recount found a wrong badge and repaired it.' },
    RESYNCED: {
      description:
        'A periodic read found a newer state, because a push was lost, items left the view horizon, or the user was erased.',
    },
  },
});

@ObjectType('BadgeUpdate', { simpleResolvers: true, description: 'One update of a watched badge.' })
export class BadgeUpdateType {
  @Field(() => UpdateKind, { description: 'SNAPSHOT for the first update, CHANGE for every later update.' })
  kind!: UpdateKind;

  @Field(() => BadgeType, { description: 'The full state of the badge.' })
  badge!: BadgeType;

  @Field(() => BadgeCause, { nullable: true, description: 'The cause of the change. Null for a SNAPSHOT.' })
  cause!: BadgeCause | null;
}

@InputType({ description: 'The inbox to open, and how far the client showed it.' })
class OpenInboxInput {
  @Field(() => ID, {
    nullable: true,
    description:
      'The user to act for. Defaults to the caller. Acting for another user requires a service or admin token.',
  })
  userId?: string | null;

  @Field(() => String, {
    defaultValue: notificationsKey,
    description:
      'The badge to open. Only `notifications` is accepted. To mark items as seen, record their views.',
  })
  key!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'The cursor of the newest notification that the client showed. Later arrivals stay unseen. Defaults to everything that has arrived.',
  })
  upTo?: string | null;
}

@ObjectType({
  implements: MutationPayload,
  simpleResolvers: true,
  description: 'The badge after the mutation.',
})
class BadgePayload implements MutationPayload {
  @Field(() => BadgeType, { nullable: true, description: 'Null if there are errors.' })
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

  @FieldResolver(() => String, { description: 'The number as text, `99+` above `max`.' })
  display(
    @Root() badge: Badge,
    @Arg('max', () => Int, { defaultValue: 99, description: 'The largest number to show, 1 to 9999.' })
    max: number,
  ): string {
    if (max < 1 || max > 9_999) throw new AppError('BAD_USER_INPUT', 'max must be 1 to 9999.');
    return displayCount(badge.unseen, max);
  }

  @FieldResolver(() => [CategoryCount], {
    description:
      'The same counts per category, by name. Categories without unseen or unread notifications are left out. Computed only if selected. Empty for badges of items.',
  })
  async byCategory(@Root() badge: Badge): Promise<readonly CategoryCount[]> {
    return badge.key === notificationsKey ? this.deps.notificationReads.countByCategory(badge) : [];
  }

  @Mutation(() => BadgePayload, {
    description:
      'Opens the inbox: the shown notifications are no longer unseen, on every device. It moves a watermark, which never moves back. A repeat changes nothing.',
  })
  async openInbox(@Arg('input', () => OpenInboxInput) input: OpenInboxInput, @Ctx() context: Context) {
    const user = targetUser(context, input.userId);
    checkBadgeKey(input.key);
    if (input.key !== notificationsKey) {
      const message =
        'key must be notifications. To mark items as seen, record their views with recordItemViews.';
      const problem = { code: 'INVALID_INPUT', message, path: ['input', 'key'] } as const;
      return { badge: null, userErrors: userErrorsOf([problem]) };
    }
    const upTo = input.upTo ?? undefined;
    const [seq] = upTo === undefined ? [] : decodeCursor(upTo, 'notifications', user, isSeq);
    // A user token creates its user, even if no event of the user was recorded before.
    if (context.caller.role === 'user') await this.deps.read.self(user);
    const opened = await this.deps.act.openInbox(user, seq === undefined ? undefined : BigInt(seq));
    if ('problem' in opened) return { badge: null, userErrors: userErrorsOf([opened.problem]) };
    return { badge: badgeNode(opened.badge), userErrors: [] };
  }

  @Subscription(() => BadgeUpdateType, {
    description:
      'Sends one SNAPSHOT per badge, read after the subscription is live, then one CHANGE per newer version. Intermediate versions may be skipped. After a reconnect it begins with a SNAPSHOT again, so no change is missed.',
    subscribe: ({ args, context }: { args: { userId?: string; keys?: string[] }; context: Context }) =>
      context.container.get(BadgeResolver).watchBadges(args, context),
  })
  badgeChanged(
    @Root() { kind, badge, cause }: BadgeUpdate,
    @Arg('userId', () => ID, {
      nullable: true,
      description:
        'The user to act for. Defaults to the caller. Acting for another user requires a service or admin token.',
    })
    _userId?: string,
    @Arg('keys', () => [String], {
      nullable: true,
      description:
        'The keys of the badges, 1 to 100, e.g. `["notifications", "items:news"]`. A collection need not exist yet. Defaults to `["notifications"]`.',
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
 * The resolvers that run for every push. They call the methods directly, because type-graphql returns
 * promises, which make the execution of a pushed badge asynchronous.
 */
export const badgeResolvers = {
  'Badge.display': (badge: Badge, { max }: { readonly max: number }, { container }: Context) =>
    container.get(BadgeResolver).display(badge, max),
  'Subscription.badgeChanged': (update: BadgeUpdate, _args: object, { container }: Context) =>
    container.get(BadgeResolver).badgeChanged(update),
};

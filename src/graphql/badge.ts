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
    'The number of entries that a user has not seen, with a version. Show the badge if its version is higher than the version that the client shows.',
})
export class BadgeType implements Node {
  id!: string;

  @Field(() => String, {
    description: 'The key of the badge: `notifications`, or `items:` followed by the name of a collection.',
  })
  key!: string;

  @Field(() => Int, {
    description:
      'The number to show. A badge of notifications counts the notifications that arrived after the user last opened the inbox and that are not marked as seen. A badge of items counts the items that were published within the view horizon (183 days by default), are not retracted, and were not viewed by the user.',
  })
  unseen!: number;

  @Field(() => Int, {
    description:
      'The number of unread notifications, both seen and unseen. Archived and snoozed notifications do not count. In a badge of items, `unread` equals `unseen`.',
  })
  unread!: number;

  @Field(() => Int, {
    description:
      'The version increases with every change of this badge. The first version is 0. If users of the tenant were erased, the versions of new users begin above the versions of the erased users.',
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

/** Throws BAD_USER_INPUT if `key` is not the key of a badge. */
export function checkBadgeKey(key: string): void {
  if (!isBadgeKey(key)) {
    throw new AppError(
      'BAD_USER_INPUT',
      `No badge has this key. Use ${notificationsKey} or items:<collection>. The name of a collection is ${collectionRule}.`,
    );
  }
}

/**
 * Returns the keys without duplicates. Throws BAD_USER_INPUT if the list is empty, if it has more than
 * `maxBadges` keys, or if a key is not the key of a badge.
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

  @Field(() => Int, {
    description: 'The number of unread notifications of this category, both seen and unseen.',
  })
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
        'The first update of each badge, with its state at the start of the subscription. Show the badge of a SNAPSHOT even if its version is lower than the version that the client shows.',
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
  description:
    'The reason why a badge changed. If several changes were combined, this is the reason for the last change.',
  valuesConfig: {
    ARRIVED: { description: 'A notification arrived.' },
    OPENED: { description: 'The user opened the inbox on any device.' },
    MARKED: {
      description: 'Notifications were marked as seen, read, unread, archived or no longer archived.',
    },
    SNOOZED: { description: 'The user snoozed a notification.' },
    EXPIRED: { description: 'A notification expired.' },
    VIEWED: {
      description:
        'The user viewed items, or visited the subject of notifications. Such a visit marks the notifications as read.',
    },
    PUBLISHED: { description: 'Items were published.' },
    RETRACTED: { description: 'Items were retracted.' },
    RECONCILED: { description: 'A recount found a wrong badge and repaired it.' },
    RESYNCED: {
      description:
        'A periodic read of the badge found a newer state. Either a push was lost, or items became older than the view horizon, or the user was erased.',
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

@InputType({ description: 'The inbox to open, and the newest notification that the client showed.' })
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
      'The key of the badge. Only `notifications` is accepted. To mark items as seen, call `recordItemViews`.',
  })
  key!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'The cursor of the newest notification that the client showed. Notifications that arrived later stay unseen. If absent, all notifications that have arrived become seen.',
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

  @FieldResolver(() => String, {
    description: '`unseen` as text. Above `max`, the text is `max` with a plus sign, such as `99+`.',
  })
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
      'The unseen and unread notifications per category, sorted by category. Categories without unseen or unread notifications are left out. Computed only if selected. Empty for badges of items.',
  })
  async byCategory(@Root() badge: Badge): Promise<readonly CategoryCount[]> {
    return badge.key === notificationsKey ? this.deps.notificationReads.countByCategory(badge) : [];
  }

  @Mutation(() => BadgePayload, {
    description:
      'Opens the inbox. The notifications up to `upTo` become seen on every device. A repeated call, or a call with an older `upTo`, changes nothing.',
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
    // A request with a user token creates the user, even if Unseen has no event of the user.
    if (context.caller.role === 'user') await this.deps.read.self(user);
    const opened = await this.deps.act.openInbox(user, seq === undefined ? undefined : BigInt(seq));
    if ('problem' in opened) return { badge: null, userErrors: userErrorsOf([opened.problem]) };
    return { badge: badgeNode(opened.badge), userErrors: [] };
  }

  @Subscription(() => BadgeUpdateType, {
    description:
      'Sends one SNAPSHOT per badge, read after the subscription is live, then one CHANGE per newer version. Intermediate versions may be skipped. After a reconnect the subscription sends SNAPSHOTs again, so the client misses no change.',
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
 * The resolvers that run for every push. These resolvers call the methods directly. The resolvers of
 * type-graphql return promises, and would make the execution of a pushed badge asynchronous.
 */
export const badgeResolvers = {
  'Badge.display': (badge: Badge, { max }: { readonly max: number }, { container }: Context) =>
    container.get(BadgeResolver).display(badge, max),
  'Subscription.badgeChanged': (update: BadgeUpdate, _args: object, { container }: Context) =>
    container.get(BadgeResolver).badgeChanged(update),
};

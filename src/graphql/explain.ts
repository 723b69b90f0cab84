import {
  Arg,
  Ctx,
  createUnionType,
  Field,
  FieldResolver,
  ID,
  Int,
  Mutation,
  ObjectType,
  Resolver,
  Root,
} from 'type-graphql';
import { type Badge, collectionOf, notificationsKey } from '../domain/badge.ts';
import type { ViewedItem } from '../domain/item.ts';
import type { Notification } from '../domain/notification.ts';
import type { UserKey } from '../domain/user.ts';
import { name } from '../events/text.ts';
import type { Reconcile } from '../flow/background/reconcile.ts';
import type { NotificationReads } from '../flow/read/notifications.ts';
import type { Read } from '../flow/read/read.ts';
import type { Slice } from '../flow/read/slice.ts';
import { BadgeType, badgeNode } from './badge.ts';
import {
  afterArg,
  createConnection,
  decodeCursor,
  encodeCursor,
  firstArg,
  pageOf,
  pageRequest,
} from './connection.ts';
import { type Context, targetUser } from './engine/context.ts';
import { ItemType, itemNode } from './item.ts';
import { NotificationType, notificationNode } from './notification.ts';
import { isSeq } from './notification-cursor.ts';
import { MutationPayload, type UserError, userErrorsOf } from './payload.ts';
import { DateTime } from './scalars.ts';

const BadgeSubject = createUnionType({
  name: 'BadgeSubject',
  description: 'What a badge counts.',
  types: () => [NotificationType, ItemType] as const,
  resolveType: (subject) => (subject as { readonly __typename?: string }).__typename,
});

@ObjectType({ simpleResolvers: true, description: 'One of those that make up `unseen`.' })
class BadgeContribution {
  @Field(() => BadgeSubject, { description: 'What counts.' })
  subject!: NotificationType | ItemType;

  @Field(() => DateTime, { description: 'Since when: it arrived, or was published, then.' })
  since!: Date;

  @Field(() => String, { description: 'Why it counts, in a sentence for people who look into it.' })
  reason!: string;
}

const BadgeContributionConnection = createConnection('BadgeContribution', {
  node: BadgeContribution,
  description: 'A page of what makes up a badge, newest first.',
  edge: { description: 'One of those that make up a badge and its place among them.' },
  hasNodes: false,
});

@ObjectType({
  implements: MutationPayload,
  simpleResolvers: true,
  description: 'What a recount found.',
})
class ReconcileBadgePayload implements MutationPayload {
  @Field(() => BadgeType, { nullable: true, description: 'As it was shown; null when there are errors.' })
  before!: BadgeType | null;

  @Field(() => BadgeType, {
    nullable: true,
    description: 'As it is by the rows, in a dry run as it would be; null when there are errors.',
  })
  after!: BadgeType | null;

  @Field(() => Int, {
    description: 'By how much it was off, unseen and unread together; 0 when it was true.',
  })
  drift!: number;

  userErrors!: readonly UserError[];
}

function whyCounted({ groupCount }: Notification): string {
  const many = groupCount > 1 ? `The newest of ${groupCount} of its group. ` : '';
  return `${many}It arrived after the inbox was last opened and was not seen, archived or snoozed since.`;
}

interface Contribution {
  readonly place: readonly string[];
  readonly subject: ReturnType<typeof notificationNode> | ReturnType<typeof itemNode>;
  readonly since: Date;
  readonly reason: string;
}

const ofNotification = (row: Notification): Contribution => ({
  place: [String(row.seq)],
  subject: notificationNode(row),
  since: row.deliveredAt ?? row.createdAt,
  reason: whyCounted(row),
});

const ofItem = (item: ViewedItem): Contribution => ({
  place: [String(item.publishedAt.getTime()), item.itemId],
  subject: itemNode(item),
  since: item.publishedAt,
  reason: 'It was published within the view horizon and the user has not viewed it since.',
});

const isItemPlace = ([time = '', itemId, ...rest]: readonly string[]) =>
  /^\d{1,15}$/.test(time) && name.safeParse(itemId).success && rest.length === 0;

/** What makes up a badge, and whether it is true. */
@Resolver(() => BadgeType)
export class ExplainResolver {
  constructor(
    private readonly deps: {
      readonly notificationReads: NotificationReads;
      readonly read: Read;
      readonly reconcile: Reconcile;
    },
  ) {}

  @FieldResolver(() => BadgeContributionConnection, {
    description: 'What makes up `unseen`, newest first, and why each counts. Read when selected.',
  })
  async explain(
    @Root() badge: Badge,
    @Arg('first', () => Int, firstArg)
    first: number | null,
    @Arg('after', () => String, afterArg)
    after?: string,
  ) {
    const page = pageRequest(first, after);
    const isPlace = badge.key === notificationsKey ? isSeq : isItemPlace;
    const place =
      page.after === undefined
        ? undefined
        : decodeCursor(page.after, 'explain', badge, ([key, ...rest]) => key === badge.key && isPlace(rest));
    const rows = await this.contributions(badge, page.first, place?.slice(1));
    return pageOf(rows, page, {
      cursorOf: ({ place }) => encodeCursor('explain', badge, [badge.key, ...place]),
      nodeOf: (row) => row,
    });
  }

  private async contributions(
    badge: Badge,
    first: number,
    [at, itemId]: readonly string[] = [],
  ): Promise<Slice<Contribution>> {
    const { notificationReads, read } = this.deps;
    const collection = collectionOf(badge.key);
    if (collection === undefined) {
      const counted = { seen: false, archived: false, snoozed: false };
      const before = at === undefined ? {} : { before: BigInt(at) };
      const { rows, hasMore } = await notificationReads.inbox(badge, { ...counted, ...before, first });
      return { rows: rows.map(ofNotification), hasMore };
    }
    const after = itemId === undefined ? {} : { after: { publishedAt: new Date(Number(at)), itemId } };
    const { tenantId, userId } = badge;
    const { rows, hasMore } = await read.unseenItems({ tenantId, userId, collection }, { ...after, first });
    return { rows: rows.map(ofItem), hasMore };
  }

  @Mutation(() => ReconcileBadgePayload, {
    description:
      'Recounts the badge `notifications` of a user from the rows and repairs it when it is off; `dryRun` reports and changes nothing. Badges of items are counted whenever they are read. Admin tokens only.',
  })
  async reconcileBadge(
    @Arg('userId', () => ID, { description: "The tenant's own name for the user." }) userId: string,
    @Arg('dryRun', () => Boolean, { defaultValue: false, description: 'Report only.' }) dryRun: boolean,
    @Ctx() context: Context,
  ) {
    const user: UserKey = targetUser(context, userId);
    const found = await this.deps.reconcile.badge(user, { dryRun });
    if ('problem' in found) {
      return { before: null, after: null, drift: 0, userErrors: userErrorsOf([found.problem]) };
    }
    const { before, after, drift } = found;
    return { before: badgeNode(before), after: badgeNode(after), drift, userErrors: [] };
  }
}

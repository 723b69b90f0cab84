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
  description: 'The object that a badge counts.',
  types: () => [NotificationType, ItemType] as const,
  resolveType: (subject) => (subject as { readonly __typename?: string }).__typename,
});

@ObjectType({ simpleResolvers: true, description: 'One entry that `unseen` counts.' })
class BadgeContribution {
  @Field(() => BadgeSubject, { description: 'The counted notification or item.' })
  subject!: NotificationType | ItemType;

  @Field(() => DateTime, { description: 'When the entry arrived or was published.' })
  since!: Date;

  @Field(() => String, { description: 'Why the entry counts, as a sentence.' })
  reason!: string;
}

const BadgeContributionConnection = createConnection('BadgeContribution', {
  node: BadgeContribution,
  description: 'A page of the entries that a badge counts, newest first.',
  edge: { description: 'An entry that a badge counts, with its cursor.' },
  hasNodes: false,
});

@ObjectType({
  implements: MutationPayload,
  simpleResolvers: true,
  description: 'The result of a recount.',
})
class ReconcileBadgePayload implements MutationPayload {
  @Field(() => BadgeType, {
    nullable: true,
    description: 'The badge before the recount. Null if there are errors.',
  })
  before!: BadgeType | null;

  @Field(() => BadgeType, {
    nullable: true,
    description: 'The recounted badge, also in a dry run. Null if there are errors.',
  })
  after!: BadgeType | null;

  @Field(() => Int, {
    description: 'The difference of `unseen` plus the difference of `unread`. 0 if the badge was correct.',
  })
  drift!: number;

  userErrors!: readonly UserError[];
}

function whyCounted({ groupCount }: Notification): string {
  const many = groupCount > 1 ? `It is the newest of ${groupCount} notifications in its group. ` : '';
  return `${many}It arrived after the inbox was last opened, and it was not seen, archived or snoozed since.`;
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

/** Lists the entries that a badge counts, and recounts a badge. */
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
    description:
      'The entries that `unseen` counts, newest first. Each entry has the reason why it counts. Computed only if selected.',
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
      'Counts the stored notifications of a user, and repairs the badge `notifications` if it is wrong. With `dryRun` the mutation only reports the difference. Badges of items need no repair, because every read counts the items again. Requires an admin token.',
  })
  async reconcileBadge(
    @Arg('userId', () => ID, { description: "The tenant's id of the user." }) userId: string,
    @Arg('dryRun', () => Boolean, {
      defaultValue: false,
      description: 'Whether the mutation only reports the difference. Defaults to false.',
    })
    dryRun: boolean,
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

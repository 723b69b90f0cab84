import { Arg, Ctx, Field, ID, InputType, Int, Mutation, ObjectType, Query, Resolver } from 'type-graphql';
import { itemsKey } from '../domain/badge.ts';
import { AppError } from '../domain/error.ts';
import { type Item, maxEarlyViews, type ViewedItem } from '../domain/item.ts';
import { maxItems } from '../events/item-view.ts';
import { collectionName, name } from '../events/text.ts';
import type { Items, PublishedItems } from '../flow/act/items.ts';
import type { ItemReads } from '../flow/read/items.ts';
import type { Read } from '../flow/read/read.ts';
import type { Record } from '../flow/record/record.ts';
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
import { nodeId } from './node-id.ts';
import { Node } from './node-interface.ts';
import { MutationPayload, type UserError, userErrorsOf } from './payload.ts';
import { DateTime } from './scalars.ts';

const collectionField = { description: '1 to 64 of `A-Z a-z 0-9 _ . -`.' };

@ObjectType('Item', {
  implements: Node,
  simpleResolvers: true,
  description: 'Something published to everybody of the tenant: an article, a release, an offer.',
})
export class ItemType implements Node {
  id!: string;

  @Field(() => String, { description: 'The collection it belongs to.' })
  collection!: string;

  @Field(() => ID, { description: "The tenant's own name for it, unique within the collection." })
  itemId!: string;

  @Field(() => String, {
    nullable: true,
    description: '1 to 200 characters of plain text, to be escaped when shown.',
  })
  title!: string | null;

  @Field(() => DateTime, { description: 'When it was published, as its publisher says.' })
  publishedAt!: Date;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'When the caller first viewed it; null: not yet, or longer ago than views are remembered, or the caller is no user.',
  })
  viewedAt!: Date | null;
}

const ItemConnection = createConnection('Item', {
  node: ItemType,
  description: 'A page of a collection, newest first.',
  edge: { description: 'An item and its place in the collection.' },
  totalCount: 'All items that are not retracted; counted only when asked for.',
  badge: {
    type: BadgeType,
    nullable: true,
    description:
      "The caller's badge over this collection, read after the page; null when the caller is no user.",
  },
});

@InputType({ description: 'An item to publish.' })
class ItemInput {
  @Field(() => ID, { description: '1 to 128 characters, no control characters.' })
  itemId!: string;

  @Field(() => String, {
    nullable: true,
    description: '1 to 200 characters of plain text. Absent keeps the title it has, null clears it.',
  })
  title?: string | null;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'From the retention (183 days by default) ago to 5 minutes ahead. Default: now. Ignored when it is published already.',
  })
  publishedAt?: Date | null;
}

@InputType({ description: 'Items to publish in one collection.' })
class PublishItemsInput {
  @Field(() => String, {
    ...collectionField,
    description: `${collectionField.description} Created if missing.`,
  })
  collection!: string;

  @Field(() => [ItemInput], { description: '1 to 500, each item once.' })
  items!: ItemInput[];
}

@InputType({ description: 'Items of one collection to take back.' })
class RetractItemsInput {
  @Field(() => String, collectionField)
  collection!: string;

  @Field(() => [ID], { description: '1 to 500, each item once.' })
  itemIds!: string[];
}

@ObjectType({ implements: MutationPayload, simpleResolvers: true, description: 'What became of the items.' })
class PublishItemsPayload implements MutationPayload {
  @Field(() => [ItemType], {
    description: 'Those that were published or retracted, in the order of the input.',
  })
  items!: readonly ItemType[];

  userErrors!: readonly UserError[];
}

@InputType({ description: 'Items a user viewed.' })
class RecordItemViewsInput {
  @Field(() => ID, {
    nullable: true,
    description: 'Default: the caller. Another needs a service or admin token.',
  })
  userId?: string | null;

  @Field(() => String, collectionField)
  collection!: string;

  @Field(() => [ID], {
    description: `1 to 500. An item that is not published yet counts as viewed when it is published within a day. At most ${maxEarlyViews} such views of a user are kept.`,
  })
  itemIds!: string[];

  @Field(() => DateTime, {
    nullable: true,
    description:
      'When it happened, from the retention (183 days by default) ago to 5 minutes ahead. Default: now.',
  })
  occurredAt?: Date | null;
}

@ObjectType({ implements: MutationPayload, simpleResolvers: true, description: 'What was recorded.' })
class RecordedPayload implements MutationPayload {
  @Field(() => ID, { nullable: true, description: 'The event, now durable; null when there are errors.' })
  eventId!: string | null;

  userErrors!: readonly UserError[];
}

export const itemNode = (item: ViewedItem) => ({
  ...item,
  __typename: 'Item' as const,
  id: nodeId('Item', item.collection, item.itemId),
});

const publishedPayload = ({ items, problems }: PublishedItems) => ({
  items: items.map((item: Item) => itemNode({ ...item, viewedAt: null })),
  userErrors: userErrorsOf(problems),
});

const itemCursor = (item: Item) =>
  encodeCursor('items', { tenantId: item.tenantId }, [
    item.collection,
    String(item.publishedAt.getTime()),
    item.itemId,
  ]);

@Resolver(() => ItemType)
export class ItemResolver {
  constructor(
    private readonly deps: {
      readonly items: Items;
      readonly record: Record;
      readonly read: Read;
      readonly itemReads: ItemReads;
    },
  ) {}

  @Query(() => ItemConnection, {
    description: 'The items of a collection, newest first; of an unknown one none.',
  })
  async items(
    @Ctx() { caller: { tenantId, subject, role } }: Context,
    @Arg('collection', () => String, collectionField) collection: string,
    @Arg('first', () => Int, firstArg)
    first: number | null,
    @Arg('after', () => String, afterArg)
    after?: string,
  ) {
    const { itemReads, read } = this.deps;
    const page = pageRequest(first, after);
    const named = collectionName.safeParse(collection);
    if (!named.success) throw new AppError('BAD_USER_INPUT', `collection ${named.error.issues[0]?.message}.`);
    const isPlace = ([of, time = '', itemId, ...rest]: readonly string[]) =>
      of === collection && /^\d{1,15}$/.test(time) && name.safeParse(itemId).success && rest.length === 0;
    const place =
      page.after === undefined ? undefined : decodeCursor(page.after, 'items', { tenantId }, isPlace);
    const key = { tenantId, collection };
    const rows = await itemReads.list(key, {
      first: page.first,
      ...(place && { after: { publishedAt: new Date(Number(place[1])), itemId: place[2] as string } }),
      ...(role === 'user' && { viewerId: subject }),
    });
    return {
      ...pageOf(rows, page, { cursorOf: itemCursor, nodeOf: itemNode }),
      totalCount: () => itemReads.count(key),
      badge: async () =>
        role === 'user'
          ? badgeNode(await read.currentBadge({ tenantId, userId: subject }, itemsKey(collection)))
          : null,
    };
  }

  @Mutation(() => PublishItemsPayload, {
    description: `Publishes 1 to ${maxItems} items to everybody: all, or, when there are userErrors, none. Every user's badge \`items:<collection>\` counts them until they view them. Publishing one that is published already changes its title and is not new; one that was retracted is published again. Service and admin tokens only.`,
  })
  async publishItems(
    @Arg('input', () => PublishItemsInput) { collection, items }: PublishItemsInput,
    @Ctx() { caller }: Context,
  ) {
    const drafts = items.map(({ itemId, title, publishedAt }) => ({
      itemId,
      title,
      publishedAt: publishedAt ?? undefined,
    }));
    return publishedPayload(await this.deps.items.publish({ tenantId: caller.tenantId, collection }, drafts));
  }

  @Mutation(() => PublishItemsPayload, {
    description: `Takes 1 to ${maxItems} items back: they count for nobody any more and are in no list. Those that do not exist are userErrors and the others retracted; repeating it is harmless. Service and admin tokens only.`,
  })
  async retractItems(
    @Arg('input', () => RetractItemsInput) { collection, itemIds }: RetractItemsInput,
    @Ctx() { caller }: Context,
  ) {
    return publishedPayload(
      await this.deps.items.retract({ tenantId: caller.tenantId, collection }, itemIds),
    );
  }

  @Mutation(() => RecordedPayload, {
    description:
      "Records that a user viewed items. Answers when it is durable; the user's badge moves a moment later. Repeating it is harmless.",
  })
  async recordItemViews(
    @Arg('input', () => RecordItemViewsInput) input: RecordItemViewsInput,
    @Ctx() context: Context,
  ) {
    const { userId } = targetUser(context, input.userId);
    const { collection, itemIds, occurredAt } = input;
    const { eventIds, problems } = await this.deps.record.itemViews(context.caller, {
      userId,
      collection,
      itemIds,
      occurredAt: occurredAt ?? undefined,
    });
    return { eventId: eventIds[0] ?? null, userErrors: userErrorsOf(problems) };
  }
}

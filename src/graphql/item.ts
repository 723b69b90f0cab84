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

const collectionField = {
  description: 'The name of the collection, 1 to 64 characters of `A-Z a-z 0-9 _ . -`.',
};

@ObjectType('Item', {
  implements: Node,
  simpleResolvers: true,
  description:
    'An item that is published to every user of the tenant, for example an article, a release or an offer.',
})
export class ItemType implements Node {
  id!: string;

  @Field(() => String, { description: 'The collection of the item.' })
  collection!: string;

  @Field(() => ID, { description: "The tenant's id of the item, unique within the collection." })
  itemId!: string;

  @Field(() => String, {
    nullable: true,
    description: 'The title, 1 to 200 characters of plain text. Escape the title before you show it as HTML.',
  })
  title!: string | null;

  @Field(() => DateTime, { description: 'The publication time, as the publisher gave it.' })
  publishedAt!: Date;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'When the caller first viewed the item. Null if the caller has not viewed the item, if Unseen has removed the view after its retention, or if the caller is not a user.',
  })
  viewedAt!: Date | null;
}

const ItemConnection = createConnection('Item', {
  node: ItemType,
  description: 'A page of a collection, newest first.',
  edge: { description: 'An item with its cursor.' },
  totalCount: 'The number of all items that are not retracted. Counted only if selected.',
  badge: {
    type: BadgeType,
    nullable: true,
    description:
      "The caller's badge of this collection. Unseen reads the badge after the items of the page. Null if the caller is not a user.",
  },
});

@InputType({ description: 'An item to publish.' })
class ItemInput {
  @Field(() => ID, { description: 'The id, 1 to 128 characters without control characters.' })
  itemId!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'The title, 1 to 200 characters of plain text. If absent, the title does not change. Null removes the title.',
  })
  title?: string | null;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'The publication time, at most the retention (183 days by default) in the past and at most 5 minutes in the future. Defaults to now. Ignored if the item is already published.',
  })
  publishedAt?: Date | null;
}

@InputType({ description: 'Items to publish in one collection.' })
class PublishItemsInput {
  @Field(() => String, {
    ...collectionField,
    description: `${collectionField.description} If the collection does not exist, the mutation creates it.`,
  })
  collection!: string;

  @Field(() => [ItemInput], { description: '1 to 500, without duplicates.' })
  items!: ItemInput[];
}

@InputType({ description: 'The items of one collection to retract.' })
class RetractItemsInput {
  @Field(() => String, collectionField)
  collection!: string;

  @Field(() => [ID], { description: '1 to 500, without duplicates.' })
  itemIds!: string[];
}

@ObjectType({ implements: MutationPayload, simpleResolvers: true, description: 'The result for the items.' })
class PublishItemsPayload implements MutationPayload {
  @Field(() => [ItemType], {
    description: 'The published or retracted items, in the order of the input.',
  })
  items!: readonly ItemType[];

  userErrors!: readonly UserError[];
}

@InputType({ description: 'Items that a user viewed.' })
class RecordItemViewsInput {
  @Field(() => ID, {
    nullable: true,
    description:
      'The user to act for. Defaults to the caller. Acting for another user requires a service or admin token.',
  })
  userId?: string | null;

  @Field(() => String, collectionField)
  collection!: string;

  @Field(() => [ID], {
    description: `The ids of 1 to 500 items. A view of an unpublished item counts if the item is published within a day. Unseen stores at most ${maxEarlyViews} such views per user.`,
  })
  itemIds!: string[];

  @Field(() => DateTime, {
    nullable: true,
    description:
      'The time of the activity, at most the retention (183 days by default) in the past and at most 5 minutes in the future. Defaults to now.',
  })
  occurredAt?: Date | null;
}

@ObjectType({ implements: MutationPayload, simpleResolvers: true, description: 'The recorded events.' })
class RecordedPayload implements MutationPayload {
  @Field(() => ID, { nullable: true, description: 'The id of the durable event. Null if there are errors.' })
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
    description: 'The items of a collection, newest first. Empty for an unknown collection.',
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
    description: `Publishes 1 to ${maxItems} items to every user. Either all items are published or none. Each user's badge \`items:<collection>\` counts an item until the user views the item. For an item that is already published, the mutation only changes the title. A retracted item is published again. Requires a service or admin token.`,
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
    description: `Retracts 1 to ${maxItems} items. Retracted items count for no user and appear in no list. Unknown items are reported in \`userErrors\`, and all other items are retracted. A repeated call changes nothing. Requires a service or admin token.`,
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
      "Records that a user viewed items. Answers when the event is durable. The user's badge changes a moment later. A repeated call changes nothing.",
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

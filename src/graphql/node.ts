import { Arg, Ctx, ID, Query, Resolver } from 'type-graphql';
import { validate as isUuid } from 'uuid';
import type { UserKey } from '../domain/user.ts';
import type { DeadLetterReads } from '../flow/read/dead-letters.ts';
import type { ItemReads } from '../flow/read/items.ts';
import type { NotificationReads } from '../flow/read/notifications.ts';
import type { PageViewReads } from '../flow/read/page-views.ts';
import type { Read } from '../flow/read/read.ts';
import type { Clock } from '../ports/clock.ts';
import { badgeNode, isBadgeKey } from './badge.ts';
import { deadLetterNode, visibleTenants } from './dead-letter.ts';
import { type Context, maySee } from './engine/context.ts';
import { itemNode } from './item.ts';
import { LimitNode } from './limit-node.ts';
import { type NodeKind, parseNodeId } from './node-id.ts';
import { Node } from './node-interface.ts';
import { maySeeNotification, notificationNode } from './notification.ts';
import { pageViewNode } from './page-view.ts';
import { userNode } from './user.ts';

interface Deps {
  readonly notificationReads: NotificationReads;
  readonly itemReads: ItemReads;
  readonly deadLetterReads: DeadLetterReads;
  readonly pageViewReads: PageViewReads;
  readonly read: Read;
  readonly clock: Clock;
}

@Resolver()
export class NodeResolver {
  constructor(private readonly deps: Deps) {}

  @Query(() => Node, {
    nullable: true,
    description: 'Any object by its id. Null if the id is unknown or the caller may not see the object.',
  })
  async node(
    @Arg('id', () => ID, { description: 'An `id` from this API.' }) id: string,
    @Ctx() context: Context,
  ) {
    const { kind, parts } = parseNodeId(id) ?? {};
    if (kind === undefined || parts === undefined) return null;
    return (await readers[kind](this.deps, context, parts)) ?? null;
  }
}

type ReadNode = (
  deps: Deps,
  context: Context,
  parts: readonly string[],
) => Promise<{ readonly __typename: string } | undefined>;

/**
 * Maps each kind of node to a function that reads a node by the parts of its id. The function returns
 * undefined if the node does not exist or the caller may not see the node.
 */
const readers: Readonly<Record<NodeKind, ReadNode>> = {
  async Notification({ notificationReads }, context, [id = '']) {
    const found = isUuid(id) ? await notificationReads.one(context.caller.tenantId, id) : undefined;
    return found && maySeeNotification(context, found) ? notificationNode(found) : undefined;
  },
  async Item({ itemReads }, { caller }, [collection = '', itemId = '']) {
    const viewerId = caller.role === 'user' ? caller.subject : undefined;
    const found = await itemReads.one({ tenantId: caller.tenantId, collection }, itemId, viewerId);
    return found && itemNode(found);
  },
  async DeadLetter({ deadLetterReads }, context, [id = '']) {
    if (context.caller.role !== 'admin' || !isUuid(id)) return undefined;
    const found = await deadLetterReads.one(id, visibleTenants(context));
    return found && deadLetterNode(found);
  },
  async User({ read }, context, [userId = '']) {
    const user = visibleUser(context, userId);
    const found = user && (await read.user(user));
    return found && userNode(found);
  },
  async Badge({ read }, context, [userId = '', key = '']) {
    const user = visibleUser(context, userId);
    if (!user || !isBadgeKey(key) || !(await read.user(user))) return undefined;
    return badgeNode(await read.badge(user, key));
  },
  async PageView({ pageViewReads }, context, [userId = '', time, id = '']) {
    const user = visibleUser(context, userId);
    const occurredAt = new Date(Number(time));
    if (!user || Number.isNaN(occurredAt.getTime()) || !isUuid(id)) return undefined;
    const found = await pageViewReads.one(user, { occurredAt, id });
    return found && pageViewNode(found);
  },
  async UserLimit({ read, clock }, context, [userId = '', userLimitId = '']) {
    const user = visibleUser(context, userId);
    const [limit] = user ? await read.limits(user, { userLimitId }) : [];
    return limit && new LimitNode(limit, clock.now());
  },
};

function visibleUser(context: Context, userId: string): UserKey | undefined {
  return maySee(context, userId) ? { tenantId: context.caller.tenantId, userId } : undefined;
}

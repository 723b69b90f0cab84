import { Arg, Ctx, ID, Query, Resolver } from 'type-graphql';
import { validate as isUuid } from 'uuid';
import type { Read } from '../flow/read/read.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store } from '../ports/store/store.ts';
import { badgeNode, isBadgeKey } from './badge.ts';
import { type Context, maySee } from './context.ts';
import { deadLetterNode, visibleTenants } from './dead-letter.ts';
import { itemNode } from './item.ts';
import { LimitNode } from './limit-node.ts';
import { parseNodeId } from './node-id.ts';
import { Node } from './node-interface.ts';
import { maySeeNotification, notificationNode } from './notification.ts';
import { pageViewNode } from './page-view.ts';
import { userNode } from './user.ts';

@Resolver()
export class NodeResolver {
  constructor(private readonly deps: { readonly store: Store; readonly read: Read; readonly clock: Clock }) {}

  @Query(() => Node, {
    nullable: true,
    description:
      'Any object by its id. Null when unknown or not visible to the caller: the two are not told apart.',
  })
  async node(
    @Arg('id', () => ID, { description: 'An `id` this API answered.' }) id: string,
    @Ctx() context: Context,
  ) {
    const { store, read, clock } = this.deps;
    const { tenantId } = context.caller;
    const { kind, parts: [first = '', second = '', third = ''] = [] } = parseNodeId(id) ?? {};
    if (kind === 'Notification') {
      const notification = isUuid(first) ? await store.notification(tenantId, first) : undefined;
      return notification && maySeeNotification(context, notification)
        ? notificationNode(notification)
        : null;
    }
    if (kind === 'Item') {
      const { role, subject } = context.caller;
      const item = await store.item(
        { tenantId, collection: first },
        second,
        role === 'user' ? subject : undefined,
      );
      return item ? itemNode(item) : null;
    }
    if (kind === 'DeadLetter') {
      if (context.caller.role !== 'admin' || !isUuid(first)) return null;
      const letter = await store.deadLetter(first, visibleTenants(context));
      return letter ? deadLetterNode(letter) : null;
    }
    if (kind === undefined || !maySee(context, first)) return null;
    const user = { tenantId, userId: first };
    switch (kind) {
      case 'User': {
        const found = await read.user(user);
        return found ? userNode(found) : null;
      }
      case 'Badge':
        return isBadgeKey(second) && (await read.user(user))
          ? badgeNode(await read.badge(user, second))
          : null;
      case 'PageView': {
        const occurredAt = new Date(Number(second));
        if (Number.isNaN(occurredAt.getTime()) || !isUuid(third)) return null;
        const view = await store.pageView(user, { occurredAt, id: third });
        return view ? pageViewNode(view) : null;
      }
      case 'UserLimit': {
        const [limit] = await read.limits(user, { userLimitId: second });
        return limit ? new LimitNode(limit, clock.now()) : null;
      }
      default:
        return kind satisfies never;
    }
  }
}

import { createLocalPubSub } from '../adapters/local/pub-sub.ts';
import { itemsKey } from '../domain/badge.ts';
import type { CollectionKey } from '../domain/item.ts';
import { dayMs } from '../domain/page-view.ts';
import { createItems } from '../flow/act/items.ts';
import { createProject } from '../flow/apply/project.ts';
import { createRead } from '../flow/read/read.ts';
import type { LogRecord } from '../ports/event-log.ts';
import { silent } from '../ports/logger.ts';
import type { PubSub } from '../ports/pub-sub.ts';
import type { Store } from '../ports/store/store.ts';
import { createTestClock, itemViewed, recordsOf } from './event.ts';

export const retentionDays = 30;
export const viewHorizonDays = 10;

let collections = 0;
let offsets = 0;

/** Returns a collection that no other test uses, with functions that change and read the collection. */
export function createTestCollection(store: Store, pubSub: PubSub = createLocalPubSub()) {
  const key: CollectionKey = { tenantId: 'default', collection: `collection-${++collections}` };
  const clock = createTestClock();
  const writersOn = (store: Store) => {
    const deps = { store, pubSub, clock, logger: silent };
    const options = { retentionDays, viewHorizonDays };
    return { items: createItems(deps, options), project: createProject(deps, options) };
  };
  const { items, project } = writersOn(store);
  const read = createRead({ store, clock }, { viewHorizonDays });
  const recordsOfView = (
    userId: string,
    itemIds: readonly string[],
    occurredAt = clock.now(),
  ): readonly LogRecord[] =>
    recordsOf(
      [itemViewed({ userId, occurredAt, data: { collection: key.collection, itemIds: [...itemIds] } })],
      ++offsets,
    );
  return {
    key,
    clock,
    items,
    project,
    writersOn,
    read,
    recordsOfView,
    publish: (...ids: readonly string[]) =>
      items.publish(
        key,
        ids.map((itemId) => ({ itemId })),
      ),
    retract: (...ids: readonly string[]) => items.retract(key, ids),
    view: (userId: string, ...ids: readonly string[]) => project.apply(recordsOfView(userId, ids)),
    badge: (userId: string) =>
      read.currentBadge({ tenantId: key.tenantId, userId }, itemsKey(key.collection)),
    /** Moves the clock of the test forward. */
    pass: (days: number) => clock.set(new Date(clock.now().getTime() + days * dayMs)),
  };
}

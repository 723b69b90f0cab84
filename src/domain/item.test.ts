import { describe, expect, it } from 'vitest';
import { itemViewed, testNow as now } from '../testing/event.ts';
import { collectionOf, itemsKey } from './badge.ts';
import { horizonAt, type Item, type ItemCollection, publish, retract, viewsOf } from './item.ts';

const news: ItemCollection = {
  tenantId: 'default',
  collection: 'news',
  version: 7,
  updatedAt: new Date(0),
};
const horizon = horizonAt(now, 10);
const earlier = new Date(now.getTime() - 1_000);
const item = (fields: Partial<Item> = {}): Item => ({
  tenantId: 'default',
  collection: 'news',
  itemId: 'a',
  title: 'A',
  publishedAt: earlier,
  viewsFrom: earlier,
  retractedAt: null,
  ...fields,
});

describe('publishing', () => {
  it('creates items with the current time, unless a time is given', () => {
    const { collection, items } = publish(
      news,
      [],
      [{ itemId: 'a' }, { itemId: 'b', title: 'B', publishedAt: earlier }],
      horizon,
    );
    expect(collection).toEqual({ ...news, version: 8, updatedAt: now });
    expect(items).toEqual([
      item({ title: null, publishedAt: now, viewsFrom: horizon.start }),
      item({ itemId: 'b', title: 'B', viewsFrom: horizon.start }),
    ]);
  });

  it('changes only the title if the item exists, and only if a title is given', () => {
    const titles = [undefined, null, 'B'].map((title) => {
      const again = publish(news, [item()], [{ itemId: 'a', title, publishedAt: now }], horizon);
      expect(again.collection).toBe(news);
      expect(again.items).toEqual([item({ title: again.items[0]?.title ?? null })]);
      return again.items[0]?.title;
    });
    expect(titles).toEqual(['A', null, 'B']);
  });

  it('publishes a retracted item again, with its previous title', () => {
    const { collection, items } = publish(news, [item({ retractedAt: now })], [{ itemId: 'a' }], horizon);
    expect(collection.version).toBe(8);
    expect(items).toEqual([item({ publishedAt: now, viewsFrom: horizon.start })]);
  });
});

describe('retracting', () => {
  it('changes the item and the version of the collection the first time, and nothing the second time', () => {
    const { collection, items } = retract(news, [item(), item({ itemId: 'b', retractedAt: earlier })], now);
    expect(collection).toEqual({ ...news, version: 8, updatedAt: now });
    expect(items.map(({ retractedAt }) => retractedAt)).toEqual([now, earlier]);
    expect(retract(news, items, now).collection).toBe(news);
  });
});

describe('views', () => {
  it('are reduced to the newest view of each user and item', () => {
    const two = itemViewed({ occurredAt: now, data: { collection: 'news', itemIds: ['a', 'b'] } });
    const one = itemViewed({ occurredAt: earlier, data: { collection: 'news', itemIds: ['b', 'c'] } });
    const bobs = itemViewed({ userId: 'bob', occurredAt: earlier });
    const views = viewsOf([two, one, bobs]).map(({ userId, itemId, viewedAt }) => [userId, itemId, viewedAt]);
    expect(views).toEqual([
      ['alice', 'a', now],
      ['alice', 'b', now],
      ['alice', 'c', earlier],
      ['bob', 'a', earlier],
    ]);
  });
});

describe('the key of an item badge', () => {
  it('contains the name of its collection, and other badge keys contain no collection', () => {
    expect(collectionOf(itemsKey('news_1.x-Y'))).toBe('news_1.x-Y');
    for (const key of ['notifications', 'items:', 'items', 'items:a b', 'Items:news', 'items:a:b', ''])
      expect(collectionOf(key)).toBeUndefined();
  });
});

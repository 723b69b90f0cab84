import { expect, it } from 'vitest';
import { createNames } from './names.ts';

it.each([
  [{}, 'incoming.user_activity', 'incoming.user_activity'],
  [{ namespace: 'shop.' }, 'incoming.user_activity', 'shop.incoming.user_activity'],
  [{ renamed: { 'incoming.user_activity': 'views' } }, 'incoming.user_activity', 'views'],
  [{ renamed: { 'incoming.user_activity': 'views' } }, 'incoming.user_activity.dlq', 'views.dlq'],
  [{ namespace: 'shop.', renamed: { a: 'b' } }, 'a.dlq', 'shop.b.dlq'],
  [{ namespace: 'shop.', renamed: { a: 'b' } }, 'other', 'shop.other'],
])('with the options %j the topic %s has the name %s in Kafka', (options, ours, theirs) => {
  const names = createNames(options);
  expect(names.inKafka(ours)).toBe(theirs);
  expect(names.here(theirs)).toBe(ours);
});

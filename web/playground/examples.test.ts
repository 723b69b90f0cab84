import { expect, it } from 'vitest';
import { exampleTabs } from './examples.ts';

it('each example begins with its number', () => {
  const places = exampleTabs().map(({ query }) => /^# (\d+)\. \S/.exec(query)?.[1]);
  expect(places).toEqual(places.map((_, index) => String(index + 1)));
});

import { expect, test } from 'vitest';
import type { BadgeStateFragment } from '../generated/graphql.ts';
import { newerBadge } from './badge.ts';

const badge = (version: number, unseen: number): BadgeStateFragment => ({
  key: 'notifications',
  unseen,
  version,
  display: String(unseen),
});

test('shows a newer version from a push and from a reply', () => {
  expect(newerBadge(badge(3, 1), { kind: 'CHANGE', badge: badge(4, 2) })).toEqual(badge(4, 2));
  expect(newerBadge(badge(3, 1), { kind: 'REPLY', badge: badge(4, 0) })).toEqual(badge(4, 0));
});

test('ignores a change that is older than a reply', () => {
  expect(newerBadge(badge(5, 0), { kind: 'CHANGE', badge: badge(4, 3) })).toEqual(badge(5, 0));
});

test('shows a snapshot even with an older version', () => {
  expect(newerBadge(badge(90, 7), { kind: 'SNAPSHOT', badge: badge(1, 0) })).toEqual(badge(1, 0));
});

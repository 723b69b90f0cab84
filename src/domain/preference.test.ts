import { describe, expect, it } from 'vitest';
import { severities } from '../events/notification.ts';
import { categoryPreferences, type Recipient, refusalOf } from './preference.ts';
import { userDefaults } from './user.ts';

const recipient: Recipient = {
  tenantId: 'default',
  userId: 'alice',
  ...userDefaults,
  createdAt: new Date('2026-11-20T09:00:00Z'),
  disabledCategories: ['news', 'security'],
};
const locked = ['billing', 'security'];
const everything = 'The user receives no notifications.';

describe('the delivery of a notification', () => {
  const cases: [
    category: string,
    isOn: boolean,
    refusal: string | undefined,
    critical: string | undefined,
  ][] = [
    ['general', true, undefined, undefined],
    ['general', false, everything, everything],
    [
      'news',
      true,
      'The user receives none of the category news.',
      'The user receives none of the category news.',
    ],
    ['news', false, everything, everything],
    ['billing', true, undefined, undefined],
    ['billing', false, everything, undefined],
    ['security', true, 'The user receives none of the category security.', undefined],
    ['security', false, everything, undefined],
  ];
  it.each(cases)(
    'of the category %s, with canReceiveNotifications %s',
    (category, canReceiveNotifications, refusal, critical) => {
      const user = { ...recipient, canReceiveNotifications };
      for (const severity of severities) {
        const expected = severity === 'CRITICAL' ? critical : refusal;
        expect(refusalOf(user, { category, severity }, locked)).toBe(expected);
      }
    },
  );

  it('depends on the whole name of the category', () => {
    const critical = { severity: 'CRITICAL' } as const;
    const user = { ...recipient, canReceiveNotifications: false };
    for (const category of ['Security', 'security.login', 'secur'])
      expect(refusalOf(user, { ...critical, category }, locked)).toBe(everything);
    expect(refusalOf(recipient, { ...critical, category: 'News' }, locked)).toBeUndefined();
  });
});

describe('the categories of a user', () => {
  it('are the choices of the user and the locked categories, without duplicates, sorted by name', () => {
    const choices = [
      { category: 'security', enabled: false },
      { category: 'news', enabled: true },
    ];
    expect(categoryPreferences(choices, locked)).toEqual([
      { category: 'billing', enabled: true, locked: true },
      { category: 'news', enabled: true, locked: false },
      { category: 'security', enabled: false, locked: true },
    ]);
    expect(categoryPreferences([], [])).toEqual([]);
  });
});

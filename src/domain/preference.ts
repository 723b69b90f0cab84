import type { NotificationContent } from './notification.ts';
import type { User } from './user.ts';

/** The maximum number of categories for which a user can store a preference. */
export const maxChosenCategories = 100;

/** Whether the user wants notifications of a category. */
export interface CategoryChoice {
  readonly category: string;
  readonly enabled: boolean;
}

export interface CategoryPreference extends CategoryChoice {
  /** Critical notifications of this category reach the user even if the user has opted out. */
  readonly locked: boolean;
}

/** A user, with the fields that decide whether the user receives a notification. */
export interface Recipient extends User {
  /** The categories that the user has opted out of, in no order. */
  readonly disabledCategories: readonly string[];
}

/** Returns why the user does not receive a notification, as a sentence. Undefined if the user receives it. */
export function refusalOf(
  { canReceiveNotifications, disabledCategories }: Recipient,
  { category, severity }: Pick<NotificationContent, 'category' | 'severity'>,
  lockedCategories: readonly string[],
): string | undefined {
  if (severity === 'CRITICAL' && lockedCategories.includes(category)) return undefined;
  if (!canReceiveNotifications) return 'The user receives no notifications.';
  if (disabledCategories.includes(category)) return `The user receives none of the category ${category}.`;
  return undefined;
}

/**
 * Returns the preferences of a user and the locked categories, sorted by name. A locked category without a
 * preference is enabled.
 */
export function categoryPreferences(
  choices: readonly CategoryChoice[],
  lockedCategories: readonly string[],
): readonly CategoryPreference[] {
  const enabled = new Map(lockedCategories.map((category) => [category, true]));
  for (const choice of choices) enabled.set(choice.category, choice.enabled);
  return [...enabled]
    .map(([category, isEnabled]) => ({
      category,
      enabled: isEnabled,
      locked: lockedCategories.includes(category),
    }))
    .sort((a, b) => (a.category < b.category ? -1 : 1));
}

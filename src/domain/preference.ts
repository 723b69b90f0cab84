import type { NotificationContent } from './notification.ts';
import type { User } from './user.ts';

/** Categories a user can have chosen something about. */
export const maxChosenCategories = 100;

/** Whether notifications of a category are to reach the user. */
export interface CategoryChoice {
  readonly category: string;
  readonly enabled: boolean;
}

export interface CategoryPreference extends CategoryChoice {
  /** Critical notifications of this category reach the user whatever is chosen. */
  readonly locked: boolean;
}

/** A user with what decides whether a notification reaches them. */
export interface Recipient extends User {
  /** What the user wants nothing of, in no order. */
  readonly disabledCategories: readonly string[];
}

/** Why a notification does not reach the user, in a sentence; undefined when it does. */
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

/** What the user chose, and the locked categories beside it, sorted by name. Nothing chosen is enabled. */
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

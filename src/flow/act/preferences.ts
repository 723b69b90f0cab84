import { type CategoryChoice, maxChosenCategories } from '../../domain/preference.ts';
import { type Problem, userNotFound } from '../../domain/problem.ts';
import type { User, UserKey, UserPatch } from '../../domain/user.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PreferenceTransaction } from '../../ports/store/preferences.ts';
import type { Transactions } from '../../ports/store/transactions.ts';
import type { UserTransaction } from '../../ports/store/users.ts';

/** The preferences to change. Absent fields and categories keep their values. */
export interface PreferencesChange {
  readonly patch: UserPatch;
  /** The choices to change. Each category may be in the list at most once. */
  readonly categories: readonly CategoryChoice[];
}

/** The user after the change, with all category choices of the user. */
export interface Preferred {
  readonly user: User;
  readonly choices: readonly CategoryChoice[];
}

/**
 * Changes which notifications a user receives from now on. Suppressed notifications stay suppressed, and
 * delivered notifications stay delivered. The badge does not change, so nothing is published.
 */
export async function updatePreferences(
  {
    store,
    clock,
  }: { readonly store: Transactions<UserTransaction & PreferenceTransaction>; readonly clock: Clock },
  key: UserKey,
  { patch, categories }: PreferencesChange,
): Promise<Preferred | { readonly problem: Problem }> {
  const now = clock.now();
  return store.transaction(async (transaction) => {
    // The lock prevents two concurrent calls from exceeding the maximum together.
    const [locked] = await transaction.lockUsers([key]);
    if (!locked) return { problem: userNotFound(['input', 'userId']) };
    const chosen = await transaction.categoryChoices([key]);
    if (new Set([...chosen, ...categories].map(({ category }) => category)).size > maxChosenCategories) {
      const message = `A user can have choices for at most ${maxChosenCategories} categories, and this user has ${chosen.length} already.`;
      return { problem: { code: 'TOO_MANY_ITEMS', message, path: ['input', 'categories'] } };
    }
    await transaction.patchUsers([{ ...key, patch }], now);
    await transaction.saveCategoryChoices(key, categories, now);
    const [[user = locked], choices] = await Promise.all([
      transaction.users([key]),
      transaction.categoryChoices([key]),
    ]);
    return { user, choices };
  }, key);
}

import { type CategoryChoice, maxChosenCategories } from '../../domain/preference.ts';
import { type Problem, userNotFound } from '../../domain/problem.ts';
import type { User, UserKey, UserPatch } from '../../domain/user.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PreferenceTransaction } from '../../ports/store/preferences.ts';
import type { Transactions } from '../../ports/store/transactions.ts';
import type { UserTransaction } from '../../ports/store/users.ts';

/** What to change: an absent field keeps its value, and so does a category that is not named. */
export interface PreferencesChange {
  readonly patch: UserPatch;
  /** Each category at most once. */
  readonly categories: readonly CategoryChoice[];
}

/** The user as changed, and all that they chose. */
export interface Preferred {
  readonly user: User;
  readonly choices: readonly CategoryChoice[];
}

/**
 * Changes what reaches a user from now on. What was suppressed stays so and what was delivered stays delivered: no badge
 * changes, and there is nothing to publish.
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
    // Locked, so that two calls cannot choose more than there may be together.
    const [locked] = await transaction.lockUsers([key]);
    if (!locked) return { problem: userNotFound(['input', 'userId']) };
    const chosen = await transaction.categoryChoices([key]);
    if (new Set([...chosen, ...categories].map(({ category }) => category)).size > maxChosenCategories) {
      const message = `A user chooses about at most ${maxChosenCategories} categories; ${chosen.length} are chosen about already.`;
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

import type { CategoryChoice, Recipient } from '../../domain/preference.ts';
import type { UserKey } from '../../domain/user.ts';

/** Reads what users chose not to receive. */
export interface PreferenceStore {
  /** Returns the users that exist, with their preferences, in no order. */
  recipients(keys: readonly UserKey[]): Promise<readonly Recipient[]>;
  /** Returns the choices of users per category, in no order. */
  categoryChoices(keys: readonly UserKey[]): Promise<readonly (UserKey & CategoryChoice)[]>;
}

export interface PreferenceTransaction {
  categoryChoices(keys: readonly UserKey[]): Promise<readonly (UserKey & CategoryChoice)[]>;
  /** Adds or replaces choices of a user. The array must not contain a category twice. */
  saveCategoryChoices(user: UserKey, choices: readonly CategoryChoice[], now: Date): Promise<void>;
}

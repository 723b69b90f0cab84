import type { CategoryChoice, Recipient } from '../../../domain/preference.ts';
import type { UserKey } from '../../../domain/user.ts';
import { type Queryable, sql } from '../sql.ts';
import { isOf, selectedOfUser, toUser } from './user.ts';

/**
 * Selects the disabled categories of a user in `app_user`. The statement reads the user and the categories
 * with one index lookup each.
 */
export const disabledCategories = sql`
  ARRAY(
    SELECT chosen.category FROM notification_preference AS chosen
    WHERE chosen.tenant_id = app_user.tenant_id AND chosen.user_id = app_user.user_id AND NOT chosen.enabled
  ) AS "disabledCategories"`;

/** Returns a recipient from a row that may have additional columns. */
export const toRecipient = (row: Recipient): Recipient => ({
  ...toUser(row),
  disabledCategories: row.disabledCategories,
});

export function createPreferenceReads(db: Queryable) {
  return {
    async recipients(keys: readonly UserKey[]): Promise<readonly Recipient[]> {
      if (keys.length === 0) return [];
      return db.query<Recipient>`
        SELECT tenant_id AS "tenantId", user_id AS "userId", ${selectedOfUser}, ${disabledCategories} FROM app_user
        WHERE ${isOf(keys)}`;
    },

    async categoryChoices(keys: readonly UserKey[]): Promise<readonly (UserKey & CategoryChoice)[]> {
      if (keys.length === 0) return [];
      return db.query<UserKey & CategoryChoice>`
        SELECT tenant_id AS "tenantId", user_id AS "userId", category, enabled FROM notification_preference
        WHERE ${isOf(keys)}`;
    },
  };
}

export function createPreferenceWrites(db: Queryable) {
  return {
    async saveCategoryChoices(
      { tenantId, userId }: UserKey,
      choices: readonly CategoryChoice[],
      now: Date,
    ): Promise<void> {
      if (choices.length === 0) return;
      await db.execute`
        INSERT INTO notification_preference (tenant_id, user_id, category, enabled, updated_at)
        SELECT ${tenantId}, ${userId}, category, enabled, ${now}::timestamptz
        FROM unnest(${choices.map(({ category }) => category)}::text[],
          ${choices.map(({ enabled }) => enabled)}::boolean[]) AS new (category, enabled)
        ON CONFLICT (tenant_id, user_id, category)
        DO UPDATE SET enabled = excluded.enabled, updated_at = excluded.updated_at`;
    },
  };
}

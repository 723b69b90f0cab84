import type { Wish } from './clients.ts';
import { withClient } from './postgres-server.ts';
import { drift } from './recount.ts';

/** The result of comparing the rows of the users with the mutations that clients requested. */
export interface Audit {
  readonly wished: number;
  readonly stored: number;
  /** The number of rows that no mutation requested. */
  readonly twice: number;
  /** The number of requested mutations without a row. */
  readonly lost: number;
  /** The inboxes whose counters differ from a recount. */
  readonly drift: readonly unknown[];
  readonly deadLetters: readonly { readonly topic: string }[];
}

/**
 * Compares the number of rows with the number of requested mutations, for each user and kind. Also compares
 * the counters with the rows.
 */
export function audit(connectionString: string, wishes: readonly Wish[]): Promise<Audit> {
  return withClient(connectionString, async (client) => {
    const query = async <Row extends object>(sql: string, values: readonly unknown[] = []) =>
      (await client.query<Row>(sql, [...values])).rows;
    const stored = await query<{ kind: string; user_id: string; count: number }>(
      `SELECT 'view' AS kind, user_id, count(*)::int FROM page_view GROUP BY user_id
       UNION ALL SELECT 'notification', user_id, count(*)::int FROM notification GROUP BY user_id`,
    );
    const difference = new Map<string, number>();
    const add = (kind: string, userId: string, count: number) => {
      const key = `${kind} ${userId}`;
      difference.set(key, (difference.get(key) ?? 0) + count);
    };
    for (const { kind, user_id: userId, count } of stored) add(kind, userId, count);
    for (const { kind, userId } of wishes) add(kind, userId, -1);
    const differences = [...difference.values()];
    return {
      wished: wishes.length,
      stored: stored.reduce((sum, { count }) => sum + count, 0),
      twice: differences.reduce((sum, n) => sum + Math.max(0, n), 0),
      lost: differences.reduce((sum, n) => sum + Math.max(0, -n), 0),
      drift: await drift(query),
      deadLetters: await query<{ topic: string }>('SELECT topic, error_code, error_message FROM dead_letter'),
    };
  });
}

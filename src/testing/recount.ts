import type { TestStorage } from './storage.ts';

/**
 * Inboxes whose counters differ from a count of the rows, or whose newest place is not that of any row: what counts as
 * unseen is what stands above the watermark and was not seen on its own.
 */
export async function drift(query: TestStorage['query']): Promise<readonly { readonly user_id: string }[]> {
  return query(`
    SELECT inbox.user_id, inbox.unseen, inbox.unread, inbox.last_seq, counted.*
    FROM inbox CROSS JOIN LATERAL (
      SELECT count(*) FILTER (WHERE counts AND seen_at IS NULL AND seq > inbox.opened_seq)::int AS counted_unseen,
        count(*) FILTER (WHERE counts AND read_at IS NULL)::int AS counted_unread, coalesce(max(seq), 0) AS newest
      FROM (
        SELECT *, status = 'DELIVERED' AND archived_at IS NULL AND snoozed_until IS NULL AS counts FROM notification
        WHERE tenant_id = inbox.tenant_id AND user_id = inbox.user_id
      ) AS n
    ) AS counted
    WHERE (unseen, unread, last_seq) IS DISTINCT FROM (counted_unseen, counted_unread, newest)`);
}

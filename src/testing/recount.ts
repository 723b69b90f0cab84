import type { TestStorage } from './storage.ts';

/**
 * Inboxes whose counters differ from a count of the rows, or whose sequence has holes: what counts as unseen is what stands
 * above the watermark.
 */
export async function drift(query: TestStorage['query']): Promise<readonly { readonly user_id: string }[]> {
  return query(`
    SELECT inbox.user_id, inbox.unseen, inbox.unread, inbox.last_seq, counted.*
    FROM inbox CROSS JOIN LATERAL (
      SELECT count(*) FILTER (WHERE seq > inbox.opened_seq)::int AS counted_unseen, count(*)::int AS counted_unread,
        coalesce(max(seq), 0) AS newest
      FROM notification WHERE tenant_id = inbox.tenant_id AND user_id = inbox.user_id AND status = 'DELIVERED'
    ) AS counted
    WHERE (unseen, unread, last_seq, last_seq) IS DISTINCT FROM (counted_unseen, counted_unread, newest, counted_unread)`);
}

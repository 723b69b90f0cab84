import { decode } from '../../events/codec.ts';
import { appliedHeader } from '../../events/record.ts';
import type { LogRecord } from '../../ports/event-log.ts';
import type { EventStore } from '../../ports/store/events.ts';

/**
 * Drops records whose events their sender has applied to this database (`appliedHeader`): in one read, and only if a record
 * has the header. Another database has no mark of these events, so its workers apply them.
 */
export async function withoutApplied(
  store: EventStore,
  records: readonly LogRecord[],
): Promise<readonly LogRecord[]> {
  const candidates = records.flatMap((record) => {
    if (record.headers[appliedHeader] === undefined) return [];
    const decoded = decode(record);
    return decoded.kind === 'event' ? [{ record, event: decoded.event }] : [];
  });
  if (candidates.length === 0) return records;
  const areApplied = await store.areApplied(candidates.map(({ event }) => event));
  const applied = new Set(candidates.filter((_, index) => areApplied[index]).map(({ record }) => record));
  return records.filter((record) => !applied.has(record));
}

import { decode } from '../../events/codec.ts';
import { appliedHeader } from '../../events/record.ts';
import type { LogRecord } from '../../ports/event-log.ts';
import type { EventStore } from '../../ports/store/events.ts';

/**
 * Removes the records whose events are already applied in this database, and returns the other records. If a
 * sender applies an event itself, the sender adds the header `appliedHeader` to the record and a mark to its
 * database. A mark is a row that records that the event was applied. The function sends one query, and only
 * if a record has the header. A worker with another database finds no mark, and applies the event.
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

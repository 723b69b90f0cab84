import { decode } from '../../events/codec.ts';
import { appliedHeader } from '../../events/record.ts';
import type { LogRecord } from '../../ports/event-log.ts';
import type { EventStore } from '../../ports/store/events.ts';

/**
 * Drops records whose sender has already applied their events to this database. The sender marks such a
 * record with `appliedHeader`. The function sends one query, and only if a record has the header. A worker
 * with another database finds no mark of these events there, and applies them.
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

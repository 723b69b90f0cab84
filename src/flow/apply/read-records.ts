import { AppError } from '../../domain/error.ts';
import { decode } from '../../events/codec.ts';
import type { Event } from '../../events/event.ts';
import { notificationCreatedTopic } from '../../events/topic.ts';
import type { LogRecord } from '../../ports/event-log.ts';
import type { DeadLetter } from '../../ports/store/dead-letters.ts';
import { deadLetterOf, type Failure } from './dead-letters.ts';

/** An event and the record that contains the event. */
export interface ReadRecord<E extends Event = Event> {
  readonly record: LogRecord;
  readonly event: E;
}

/** The events and the failures of a batch of records. */
interface ReadRecords {
  /** The readable events, in the order of the records. */
  readonly events: readonly ReadRecord[];
  /** The dead letters of records without a readable event. */
  readonly deadLetters: readonly DeadLetter[];
  /** The number of records that are tombstones or contain an event that is not for Unseen. */
  readonly ignoredRecords: number;
}

const farAhead: Failure = {
  code: 'MALFORMED_EVENT',
  reason: 'occurredAt: more than a day ahead of the clock',
  attempts: 1,
};

/**
 * Decodes a batch of records. Throws UNAVAILABLE if a record was written by a newer version of Unseen. A
 * rolling deploy causes such records. The batch then waits until a newer worker replaces this worker.
 */
export function readRecords(records: readonly LogRecord[], now: Date): ReadRecords {
  const events: ReadRecord[] = [];
  const deadLetters: DeadLetter[] = [];
  let ignoredRecords = 0;
  for (const record of records) {
    const decoded = decode(record);
    switch (decoded.kind) {
      case 'event':
        if (!isFarAhead(decoded.event, now)) events.push({ record, event: decoded.event });
        else deadLetters.push(deadLetterOf(record, farAhead, now, decoded.event.tenantId));
        break;
      case 'empty':
      case 'ignored':
        ignoredRecords += 1;
        break;
      case 'unreadable':
        deadLetters.push(deadLetterOf(record, malformed(decoded.reason), now, decoded.tenantId));
        break;
      case 'newer':
        throw new AppError(
          'UNAVAILABLE',
          `The event ${decoded.type} has schema version ${decoded.schemaVersion}, which this worker does not know. Upgrade the worker.`,
        );
      default:
        decoded satisfies never;
    }
  }
  return { events, deadLetters, ignoredRecords };
}

/** Returns the tenant that a record names. Undefined if the record names no tenant. */
export function tenantOf(record: LogRecord): string | undefined {
  const decoded = decode(record);
  if (decoded.kind === 'event') return decoded.event.tenantId;
  // Unseen itself writes the records of this topic, and their keys begin with the tenant.
  return record.topic === notificationCreatedTopic ? record.key?.split('/')[0] : undefined;
}

const malformed = (reason: string): Failure => ({ code: 'MALFORMED_EVENT', reason, attempts: 1 });

/**
 * Whether the event is more than a day in the future. The clock of a producer may be wrong by hours, but not
 * by a day.
 */
function isFarAhead({ occurredAt }: Event, now: Date): boolean {
  return occurredAt.getTime() > now.getTime() + 86_400_000;
}

import type { ErrorCode } from '../../domain/error.ts';
import type { LogRecord } from '../../ports/event-log.ts';
import type { DeadLetter } from '../../ports/store/dead-letters.ts';

/** The reason why a record could not be applied, and the number of attempts. */
export interface Failure {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly attempts: number;
}

/**
 * Makes the dead letter of a record that could not be applied. The dead letter contains the whole record.
 * `tenantId` is empty if the record names no tenant.
 */
export function deadLetterOf(record: LogRecord, why: Failure, failedAt: Date, tenantId = ''): DeadLetter {
  const { topic, partition, offset, key, headers, value } = record;
  return {
    tenantId,
    topic,
    partition,
    offset,
    key,
    headers,
    payload: value ?? new Uint8Array(),
    errorCode: why.code,
    errorMessage: why.reason,
    attempts: why.attempts,
    failedAt,
  };
}

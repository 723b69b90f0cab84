import { setTimeout as delay } from 'node:timers/promises';
import { isRetriable } from '../../domain/error.ts';
import { reasonOf, toPortError } from './error.ts';

/**
 * How long, in ms, a successful write proves that writes succeed. The same holds for a new session that may
 * write.
 */
const freshMs = 1_000;

/** If writes fail for this long, in ms, and none succeeds, there is a problem. */
const failingMs = 10_000;

/** How often, in ms, a read-only database is asked whether it still is. */
const recheckMs = 1_000;

const readOnlyProblem = 'PostgreSQL is read-only';

/**
 * Knows whether writes succeed, from the outcome of recent writes. If there was none, it asks the database in
 * a new session.
 */
export interface WriteHealth {
  /** Awaits a write and records its outcome. */
  noted<T>(write: Promise<T>): Promise<T>;
  /**
   * Reports that a session refused a write as read-only. Either the database is read-only, or the session is
   * still read-only after a failover.
   */
  suspect(): void;
  /** Describes the problem in a few words. Resolves to undefined if writes succeed. */
  problem(): Promise<string | undefined>;
  close(): void;
}

/**
 * Creates the health of writes. `isReadOnly` opens a session and asks the database. `onWritable` is called
 * when the database accepts writes after a session refused one. Sessions that were opened before may still be
 * read-only.
 */
export function createWriteHealth({
  isReadOnly,
  onWritable,
}: {
  readonly isReadOnly: () => Promise<boolean>;
  readonly onWritable: () => void;
}): WriteHealth {
  const closing = new AbortController();
  /** When a write last succeeded, or when a new session last reported that it may write. */
  let writableAt = Number.NEGATIVE_INFINITY;
  /** The failures since the last success. */
  let failing: { readonly since: number; readonly last: number; readonly reason: string } | undefined;
  let isChecking = false;
  let readOnly = false;
  let asking: Promise<boolean> | undefined;

  /** Opens one session at a time, because any client may call `/readyz`. */
  function ask(): Promise<boolean> {
    asking ??= isReadOnly()
      .then((answer) => {
        readOnly = answer;
        if (!readOnly) writableAt = performance.now();
        return readOnly;
      })
      .finally(() => {
        asking = undefined;
      });
    return asking;
  }

  /** Asks until the database accepts writes. */
  async function check(): Promise<void> {
    // If the database does not answer, the last answer counts. The next write, or `problem`, reports what is
    // wrong.
    while (await ask().catch(() => readOnly))
      await delay(recheckMs, undefined, { signal: closing.signal, ref: false });
    onWritable();
  }

  function suspect(): void {
    if (isChecking) return;
    isChecking = true;
    // `check` rejects when the health is closed.
    void check()
      .catch(() => {})
      .finally(() => {
        isChecking = false;
      });
  }

  return {
    suspect,
    async noted(write) {
      try {
        const result = await write;
        writableAt = performance.now();
        failing = undefined;
        return result;
      } catch (error) {
        const translated = toPortError(error) as Error;
        if (isRetriable(translated)) {
          const now = performance.now();
          const reason = reasonOf(translated.cause ?? translated);
          failing = { since: failing?.since ?? now, last: now, reason };
        }
        throw error;
      }
    },
    async problem() {
      if (readOnly) return readOnlyProblem;
      const now = performance.now();
      // Without a recent write a new session decides, because a process that is not ready receives no writes.
      if (failing && now - failing.since > failingMs && now - failing.last < failingMs)
        return `writes to PostgreSQL fail: ${failing.reason}`;
      if (!failing && now - writableAt < freshMs) return undefined;
      try {
        if (!(await ask())) return undefined;
      } catch (error) {
        return `PostgreSQL does not answer: ${reasonOf(error)}`;
      }
      suspect();
      return readOnlyProblem;
    },
    close: () => closing.abort(),
  };
}

import { setTimeout as delay } from 'node:timers/promises';
import { isRetriable } from '../../domain/error.ts';
import { reasonOf, toPortError } from './error.ts';

/**
 * For this time, in ms, after a successful write, the database counts as writable. The same is true after a
 * new session that may write.
 */
const freshMs = 1_000;

/** After this time, in ms, of failed writes without a success, `problem` reports a problem. */
const failingMs = 10_000;

/** The time, in ms, between two checks whether a read-only database is still read-only. */
const recheckMs = 1_000;

const readOnlyProblem = 'PostgreSQL is read-only';

/**
 * Tells whether writes succeed. Uses the outcome of recent writes. If there was none, opens a new session and
 * asks the database.
 */
export interface WriteHealth {
  /** Awaits a write and records its outcome. */
  noted<T>(write: Promise<T>): Promise<T>;
  /**
   * The caller reports that a session refused a write as read-only. The reason is either a read-only
   * database, or an old session that is still read-only after a failover.
   */
  suspect(): void;
  /** Resolves to a short description of the problem. Resolves to undefined if writes succeed. */
  problem(): Promise<string | undefined>;
  close(): void;
}

/**
 * Creates a `WriteHealth`. `isReadOnly` opens a session and asks the database. `onWritable` is called
 * when the database accepts writes again after a session refused one. Sessions that were opened earlier may
 * still be read-only.
 */
export function createWriteHealth({
  isReadOnly,
  onWritable,
}: {
  readonly isReadOnly: () => Promise<boolean>;
  readonly onWritable: () => void;
}): WriteHealth {
  const closing = new AbortController();
  /** The time of the last successful write, or of the last new session that was allowed to write. */
  let writableAt = Number.NEGATIVE_INFINITY;
  /** The failed writes since the last success. */
  let failing: { readonly since: number; readonly last: number; readonly reason: string } | undefined;
  let isChecking = false;
  let readOnly = false;
  let asking: Promise<boolean> | undefined;

  /** Opens at most one session at a time, because any client may call `/readyz` at any rate. */
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

  /** Asks repeatedly until the database accepts writes. */
  async function check(): Promise<void> {
    // If the database does not answer, the last answer remains valid. The next write, or the next call of
    // `problem`, reports that the database does not answer.
    while (await ask().catch(() => readOnly))
      await delay(recheckMs, undefined, { signal: closing.signal, ref: false });
    onWritable();
  }

  function suspect(): void {
    if (isChecking) return;
    isChecking = true;
    // `check` rejects when `close` is called.
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
      // Failures older than `failingMs` are ignored and a new session decides, because a process that is not
      // ready receives no writes that could succeed.
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

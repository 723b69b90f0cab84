import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../../domain/error.ts';
import { deadLetterSuffix } from '../../events/topic.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EventLog } from '../../ports/event-log.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Outbox, OutboxTurn, WaitingRecord } from '../../ports/outbox.ts';
import type { Project } from '../apply/project.ts';

/** A round with fewer records is not worth its queries. The relay then rests before the next round. */
const fullRound = 100;

interface RelayDeps {
  readonly outbox: Outbox;
  readonly log: EventLog;
  readonly project: Pick<Project, 'deadLetter'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface RelayOptions {
  /** The longest wait between attempts, and the longest hold of a topic, in ms. Defaults to 10 s. */
  readonly maxBackoffMs?: number;
  /** The time in which records gather before the next round, in ms. Defaults to 50. */
  readonly restMs?: number;
}

/** The parts of a relay that the steps of a turn share. */
interface Turn extends RelayDeps, Required<RelayOptions> {
  readonly signal: AbortSignal;
  readonly failures: Failures;
  /** Called when all records that were read are sent. */
  readonly allSent: () => void;
}

/**
 * Sends the records of the outbox to the log. One relay works at a time, over all processes. It keeps the order within
 * each topic, and removes a record from the outbox only after the log has the record. So each record is sent at least
 * once, and again after a crash in between.
 *
 * While the log or the database is away, the relay retries without limit, with backoff and jitter. Another process may
 * take over in this time. A topic that the log cannot write is held until all other topics are sent, for at most
 * `maxBackoffMs`.
 *
 * A single record is sent at once. The records after it gather for `restMs`, so that they share a round.
 */
export function createRelay(deps: RelayDeps, { maxBackoffMs = 10_000, restMs = 50 }: RelayOptions = {}) {
  const { outbox, clock, logger } = deps;
  const stopping = new AbortController();
  const { signal } = stopping;
  const failures = createFailures(logger);
  let running: Promise<void> | undefined;
  let succeededAt: Date | undefined;

  function allSent(): void {
    failures.clear();
    succeededAt = clock.now();
  }

  const context: Turn = { ...deps, maxBackoffMs, restMs, signal, failures, allSent };

  async function run(): Promise<void> {
    while (!signal.aborted) {
      let turn: OutboxTurn | undefined;
      try {
        turn = await outbox.takeTurn(signal);
        if (turn) await sendTurn(context, turn);
      } catch (err) {
        const count = failures.add();
        const delayMs = Math.min(maxBackoffMs, 100 * 2 ** count) * Math.random();
        failures.warn({ err, delayMs }, 'the relay failed; it tries again');
        await turn?.end();
        await delay(delayMs, undefined, { signal }).catch(() => {});
        continue;
      }
      await turn?.end();
    }
  }

  return {
    /** Starts. The log and the database may be away. */
    start(): void {
      running ??= run();
    },
    /** Waits for the current batch. The unsent records stay in the outbox until the next start. */
    async stop(): Promise<void> {
      stopping.abort();
      await running;
    },
    /**
     * The last time that all records that were read were sent. undefined before the first time, and while another
     * process has the turn.
     */
    succeededAt: () => succeededAt,
    /** The number of records in the outbox, over all processes. Rejects with UNAVAILABLE. */
    depth: (): Promise<number> => outbox.depth(),
  };
}

/** Counts the interruptions and the ends of a hold since all records that were read were sent. */
function createFailures(logger: Logger) {
  let count = 0;
  return {
    /** Returns the new count. */
    add(): number {
      count += 1;
      return count;
    },
    clear(): void {
      count = 0;
    },
    /** Logs the first failure at once, and then about one line per minute. */
    warn(fields: object, message: string): void {
      if (count === 1 || count % 10 === 0) logger.warn({ ...fields, failures: count }, message);
    },
  };
}

type Failures = ReturnType<typeof createFailures>;

/** Sends records until the turn is over. Rejects if the turn is lost, or if only held topics have records. */
async function sendTurn(context: Turn, turn: OutboxTurn): Promise<void> {
  const { signal, failures, maxBackoffMs, restMs, allSent } = context;
  /** The held topics, with the error of each. */
  const held = new Map<string, unknown>();
  let heldUntil: number | undefined;
  while (!signal.aborted && !turn.isOver()) {
    const records = await turn.read([...held.keys()]);
    await sendRound(context, turn, records, held);
    const [reason] = held.values();
    if (reason === undefined) allSent();
    else if (records.length === 0) throw reason;
    else heldUntil ??= performance.now() + maxBackoffMs;
    // A steady flow to other topics would otherwise hold these topics for ever.
    if (heldUntil !== undefined && performance.now() >= heldUntil) {
      failures.add();
      failures.warn({ err: reason, topics: [...held.keys()] }, 'the relay tries the held topics again');
      held.clear();
      heldUntil = undefined;
    }
    if (records.length === 0) await turn.written();
    else if (records.length < fullRound) await delay(restMs, undefined, { signal }).catch(() => {});
  }
}

/** Sends the records, topic by topic, and removes them from the outbox. Adds each topic that fails to `held`. */
async function sendRound(
  context: Turn,
  turn: OutboxTurn,
  records: readonly WaitingRecord[],
  held: Map<string, unknown>,
): Promise<void> {
  for (const ofTopic of byTopic(records)) {
    try {
      await send(context, ofTopic);
    } catch (error) {
      // A relay that stops does not try every topic of a log that is away.
      if (context.signal.aborted) throw error;
      held.set(ofTopic[0]?.topic ?? '', error);
      continue;
    }
    await turn.remove(ofTopic.map(({ id }) => id));
  }
}

/** Sends the records in their order. A record that the log will never accept is set aside alone. */
async function send(deps: RelayDeps, records: readonly WaitingRecord[]): Promise<void> {
  try {
    await deps.log.send(records);
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'BAD_USER_INPUT')) throw error;
    const [record] = records;
    if (records.length > 1) {
      const half = Math.ceil(records.length / 2);
      await send(deps, records.slice(0, half));
      await send(deps, records.slice(half));
    } else if (record) await setAside(deps, record, error);
  }
}

/** Turns a record that the log refused into a dead letter. */
async function setAside(
  { project, logger }: RelayDeps,
  record: WaitingRecord,
  error: AppError,
): Promise<void> {
  const { topic, id, key, value, headers, writtenAt } = record;
  logger.error({ err: error, topic, outboxId: String(id) }, 'the log refused a record');
  // The record is the copy of a dead letter for the log. The database already holds the dead letter.
  if (topic.endsWith(deadLetterSuffix)) return;
  // The record has no place in the log. No real partition is negative.
  const place = { topic, partition: -1, offset: id, key, value, headers, appendedAt: writtenAt };
  await project.deadLetter(place, { code: 'REJECTED_EVENT', reason: error.message, attempts: 1 });
}

/** The records by topic. The topics are in the order of their first records. */
function byTopic(records: readonly WaitingRecord[]): Iterable<readonly WaitingRecord[]> {
  const parts = new Map<string, WaitingRecord[]>();
  for (const record of records) {
    const part = parts.get(record.topic);
    if (part) part.push(record);
    else parts.set(record.topic, [record]);
  }
  return parts.values();
}

export type Relay = ReturnType<typeof createRelay>;

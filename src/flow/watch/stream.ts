import { isRetriable } from '../../domain/error.ts';
import { badgeOf } from '../../domain/inbox.ts';
import {
  eventsBehind,
  isAtEnd,
  type Place,
  placeOf,
  type ResetReason,
  resetReasonOf,
  type StreamEvent,
} from '../../domain/stream.ts';
import type { UserKey } from '../../domain/user.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import { type Read, streamPageSize } from '../read/read.ts';
import type { Watch } from './watch.ts';

/**
 * The wait after a failed read, in ms, with jitter. The wait ends early if a message about the inbox arrives.
 */
const retryMs = 3_000;

interface Page {
  readonly events: readonly StreamEvent[];
  readonly place: Place;
  /** Whether the store had no later events when the page was read. */
  readonly isLast: boolean;
}

interface StreamDeps {
  readonly read: Read;
  readonly watch: Watch;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Creates streams of the events of an inbox. A stream has the order of the store and no gap. The stream reads
 * the events after its place, page by page, then waits for a message and reads again. A message only says
 * that there may be new events. So if a message is lost, repeated or late, no event is lost or repeated. At
 * most one read runs at a time, even if many messages arrive. The next read begins after the client has taken
 * the page.
 */
export function createStream(deps: StreamDeps) {
  return {
    /**
     * Returns the events after a place, then new events as they happen. The stream begins with a RESET if
     * there is no place, or if the events after the place cannot be listed individually. A client that reads
     * too slowly gets a RESET later. The stream ends when `return` is called, or after the RESET of an erased
     * user. Rejects with UNAVAILABLE if the stream cannot begin.
     */
    events: (user: UserKey, after: Place | undefined): Promise<AsyncIterableIterator<StreamEvent>> =>
      openStream(deps, user, after),
  };
}

export type Stream = ReturnType<typeof createStream>;

/** The state of an open stream. */
interface Reader {
  readonly user: UserKey;
  ended: boolean;
  isBehind: boolean;
  /** Ends the wait for the next page. Has no effect if the stream is not waiting. */
  resume(): void;
  wake(): void;
}

async function openStream(
  deps: StreamDeps,
  user: UserKey,
  after: Place | undefined,
): Promise<AsyncIterableIterator<StreamEvent>> {
  const reader: Reader = {
    user,
    ended: false,
    isBehind: false,
    resume: () => {},
    wake() {
      reader.isBehind = true;
      reader.resume();
    },
  };
  const stopNudges = await deps.watch.nudges(user, reader.wake);
  const end = () => {
    reader.ended = true;
    stopNudges();
    reader.resume();
  };
  const first = await readPage(deps, user, after).catch((error) => {
    end();
    throw error;
  });
  const events = follow(deps, reader, first, end);
  const iterator: AsyncIterableIterator<StreamEvent> = {
    next: () => events.next(),
    return() {
      // A waiting generator processes `return` only after it resumes.
      end();
      return events.return();
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}

async function* follow(
  deps: StreamDeps,
  reader: Reader,
  first: Page,
  end: () => void,
): AsyncGenerator<StreamEvent, void> {
  try {
    for (let page: Page | undefined = first; page; page = await nextPage(deps, reader, page.place)) {
      reader.isBehind ||= !page.isLast;
      for (const event of page.events) {
        if (reader.ended) return;
        yield event;
        if (page !== first && event.kind === 'RESET' && event.reason === 'USER_ERASED') return;
      }
    }
  } finally {
    end();
  }
}

/**
 * Waits until there may be new events, then reads the page after a place. Resolves to undefined if the stream
 * has ended.
 */
async function nextPage(deps: StreamDeps, reader: Reader, place: Place): Promise<Page | undefined> {
  for (;;) {
    if (!reader.isBehind && !reader.ended) await new Promise<void>((resolve) => (reader.resume = resolve));
    if (reader.ended) return undefined;
    // A message during the read starts another read.
    reader.isBehind = false;
    try {
      return await readPage(deps, reader.user, place);
    } catch (err) {
      if (!isRetriable(err)) throw err;
      deps.logger.warn({ err }, 'could not read a notification stream, trying again');
      setTimeout(reader.wake, retryMs * (0.5 + Math.random())).unref();
    }
  }
}

/** Reads the page after a place. The page is a RESET if the stream cannot continue from the place. */
async function readPage(
  { read, clock }: Pick<StreamDeps, 'read' | 'clock'>,
  user: UserKey,
  place: Place | undefined,
): Promise<Page> {
  // Reads the inbox first. The later queries then find every event up to the counters of this inbox, and
  // possibly newer events.
  const inbox = await read.inbox(user);
  const startAgain = (reason: ResetReason): Page => ({
    events: [{ kind: 'RESET', reason, place: placeOf(inbox), badge: badgeOf(inbox) }],
    place: placeOf(inbox),
    isLast: true,
  });
  if (!place) return startAgain('NO_CURSOR');
  const reason = resetReasonOf(place, inbox);
  if (reason) return startAgain(reason);
  const [arrivals, changes] = await Promise.all([
    place.lastSeq < inbox.lastSeq
      ? read.arrivals({ ...user, after: place.lastSeq, upTo: inbox.lastSeq })
      : [],
    place.changeSeq < inbox.changeSeq
      ? read.changes({ ...user, after: place.changeSeq, upTo: inbox.changeSeq })
      : [],
  ]);
  const found = eventsBehind(place, inbox, { arrivals, changes, pageSize: streamPageSize }, clock.now());
  return 'reason' in found ? startAgain(found.reason) : { ...found, isLast: isAtEnd(found.place, inbox) };
}

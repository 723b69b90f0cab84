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

/** When what follows could not be read, it is tried again after this; sooner when something happens. */
const retryMs = 3_000;

interface Page {
  readonly events: readonly StreamEvent[];
  readonly place: Place;
  /** Whether the store had nothing more when it was read. */
  readonly isLast: boolean;
}

interface StreamDeps {
  readonly read: Read;
  readonly watch: Watch;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * What happens to an inbox, in the order of the store and without a gap: a stream reads what follows its place, a page at a
 * time, then waits to be woken and reads again. Messages say nothing but that there may be more, so none can be lost,
 * doubled or late; however many come, one read is under way, and none before the reader has taken the page.
 */
export function createStream(deps: StreamDeps) {
  return {
    /**
     * What happened behind a place, then what happens. Begins with a RESET without a place, or when what followed it cannot
     * be told one by one; whoever reads too slowly gets one later. Ends when `return` is called, or with the RESET that says
     * that the user was erased. Rejects with UNAVAILABLE before the first.
     */
    events: (user: UserKey, after: Place | undefined): Promise<AsyncIterableIterator<StreamEvent>> =>
      openStream(deps, user, after),
  };
}

export type Stream = ReturnType<typeof createStream>;

/** One open stream. */
interface Reader {
  readonly user: UserKey;
  ended: boolean;
  isBehind: boolean;
  /** Ends the wait for the next page, if the stream waits. */
  goOn(): void;
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
    goOn: () => {},
    wake() {
      reader.isBehind = true;
      reader.goOn();
    },
  };
  const stopNudges = await deps.watch.nudges(user, reader.wake);
  const end = () => {
    reader.ended = true;
    stopNudges();
    reader.goOn();
  };
  const first = await readPage(deps, user, after).catch((error) => {
    end();
    throw error;
  });
  const events = follow(deps, reader, first, end);
  const iterator: AsyncIterableIterator<StreamEvent> = {
    next: () => events.next(),
    return() {
      // A generator that waits hears of its end only when it goes on.
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

/** The page behind a place, when something may have happened; undefined when the stream is over. */
async function nextPage(deps: StreamDeps, reader: Reader, place: Place): Promise<Page | undefined> {
  for (;;) {
    if (!reader.isBehind && !reader.ended) await new Promise<void>((resolve) => (reader.goOn = resolve));
    if (reader.ended) return undefined;
    // What happens while it reads is for the next time.
    reader.isBehind = false;
    try {
      return await readPage(deps, reader.user, place);
    } catch (err) {
      if (!isRetriable(err)) throw err;
      deps.logger.warn({ err }, 'a notification stream could not be read; trying again');
      setTimeout(reader.wake, retryMs * (0.5 + Math.random())).unref();
    }
  }
}

/** Reads the page behind a place, or a RESET if the page cannot continue from there. */
async function readPage(
  { read, clock }: Pick<StreamDeps, 'read' | 'clock'>,
  user: UserKey,
  place: Place | undefined,
): Promise<Page> {
  // Read before the rest: up to here everything is there, and may be newer.
  const inbox = await read.inbox(user);
  const startAnew = (reason: ResetReason): Page => ({
    events: [{ kind: 'RESET', reason, place: placeOf(inbox), badge: badgeOf(inbox) }],
    place: placeOf(inbox),
    isLast: true,
  });
  if (!place) return startAnew('NO_CURSOR');
  const reason = resetReasonOf(place, inbox);
  if (reason) return startAnew(reason);
  const [arrivals, changes] = await Promise.all([
    place.lastSeq < inbox.lastSeq
      ? read.arrivals({ ...user, after: place.lastSeq, upTo: inbox.lastSeq })
      : [],
    place.changeSeq < inbox.changeSeq
      ? read.changes({ ...user, after: place.changeSeq, upTo: inbox.changeSeq })
      : [],
  ]);
  const found = eventsBehind(place, inbox, { arrivals, changes, pageSize: streamPageSize }, clock.now());
  return 'reason' in found ? startAnew(found.reason) : { ...found, isLast: isAtEnd(found.place, inbox) };
}

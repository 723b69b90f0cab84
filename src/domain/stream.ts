import type { Badge } from './badge.ts';
import { badgeOf, type Inbox, type InboxChange, maxIdsOfChange } from './inbox.ts';
import type { Notification } from './notification.ts';

/**
 * The limits of the events that a stream replays. A client that missed more events, or older events, must
 * read the list again.
 */
export const streamWindow = { maxEvents: 1_000, maxAgeMs: 7 * 86_400_000 } as const;

/** A place in the history of an inbox, after this number of arrivals and this number of changes. */
export interface Place {
  /**
   * The first version of the inbox. After a user is erased, a new inbox of the same user id has another first
   * version.
   */
  readonly firstVersion: number;
  readonly lastSeq: bigint;
  readonly changeSeq: bigint;
}

/**
 * NO_CURSOR: the client sent no cursor. TOO_OLD: some events after the cursor are removed. TOO_MANY: there
 * are more events after the cursor than a stream replays. USER_ERASED: the user was erased. UNKNOWN_CURSOR:
 * the cursor is ahead of the inbox.
 */
export type ResetReason = 'NO_CURSOR' | 'TOO_OLD' | 'TOO_MANY' | 'USER_ERASED' | 'UNKNOWN_CURSOR';

/** An event of an inbox, with the place after the event and a badge that includes the event. */
export type StreamEvent = { readonly place: Place; readonly badge: Badge } & (
  | { readonly kind: 'ADDED'; readonly notification: Notification }
  | { readonly kind: 'CHANGED'; readonly action: InboxChange['action']; readonly ids: readonly string[] }
  | { readonly kind: 'RESET'; readonly reason: ResetReason }
);

export function placeOf({ firstVersion, lastSeq, changeSeq }: Inbox): Place {
  return { firstVersion, lastSeq, changeSeq };
}

/** Whether the inbox has no event after the place. */
export function isAtEnd(place: Place, inbox: Inbox): boolean {
  return place.lastSeq === inbox.lastSeq && place.changeSeq === inbox.changeSeq;
}

/**
 * Returns why a stream cannot replay the events after a place. Undefined if the inbox alone gives no reason.
 */
export function resetReasonOf(place: Place, inbox: Inbox): ResetReason | undefined {
  const isBeginning = place.lastSeq === 0n && place.changeSeq === 0n;
  if (!isBeginning && place.firstVersion !== inbox.firstVersion) return 'USER_ERASED';
  const arrivals = inbox.lastSeq - place.lastSeq;
  const changes = inbox.changeSeq - place.changeSeq;
  if (arrivals < 0n || changes < 0n) return 'UNKNOWN_CURSOR';
  return arrivals + changes > streamWindow.maxEvents ? 'TOO_MANY' : undefined;
}

/**
 * Whether a change is about more notifications than a stream lists. The ids of such a change may not be
 * stored.
 */
const isToMany = ({ ids, stretch }: InboxChange): boolean =>
  stretch ? stretch.to - stretch.from > maxIdsOfChange : ids.length === 0 || ids.length > maxIdsOfChange;

/**
 * Returns the events after a place, in order, up to the state of `inbox`. `arrivals` and `changes` are pages
 * of the history after the place, oldest first. `arrivals` has at most `pageSize` entries. The result ends at
 * the last event up to which both pages are complete. Notifications may be newer than the inbox, because they
 * were read later. The changes that made them newer follow in a later page.
 */
export function eventsBehind(
  place: Place,
  inbox: Inbox,
  {
    arrivals,
    changes,
    pageSize,
  }: {
    readonly arrivals: readonly Notification[];
    readonly changes: readonly InboxChange[];
    readonly pageSize: number;
  },
  now: Date,
): { readonly events: readonly StreamEvent[]; readonly place: Place } | { readonly reason: ResetReason } {
  const oldest = now.getTime() - streamWindow.maxAgeMs;
  const arrived = arrivals.map((notification) => ({
    notification,
    seq: notification.seq ?? 0n,
    changeSeq: place.changeSeq,
  }));
  const changed = changes.map((change) => ({ change, seq: change.lastSeq, changeSeq: change.changeSeq }));
  // Changes have consecutive numbers. A missing change was removed because of its age.
  const isMissing = inbox.changeSeq > place.changeSeq && changes[0]?.changeSeq !== place.changeSeq + 1n;
  const times = [arrivals[0]?.deliveredAt, changes[0]?.changedAt];
  if (isMissing || times.some((at) => at && at.getTime() < oldest)) return { reason: 'TOO_OLD' };
  if (changes.some(isToMany)) return { reason: 'TOO_MANY' };

  // Ends at the last event up to which both pages are complete.
  const lastArrival = arrived.length < pageSize ? undefined : arrived.at(-1);
  const lastChange = changes.at(-1)?.changeSeq === inbox.changeSeq ? undefined : changed.at(-1);
  const end = [lastArrival, lastChange].reduce(
    (least, last) => (last && last.seq < least ? last.seq : least),
    inbox.lastSeq,
  );
  const happened = [...arrived, ...changed]
    .filter(({ seq }) => seq <= end)
    .sort((a, b) => Number(a.seq - b.seq) || Number(a.changeSeq - b.changeSeq));

  const badge = badgeOf(inbox);
  let at: Place = { ...place, firstVersion: inbox.firstVersion };
  const events: StreamEvent[] = [];
  const moveTo = (seq: bigint, changeSeq: bigint) => {
    at = { ...at, lastSeq: max(at.lastSeq, seq), changeSeq: max(at.changeSeq, changeSeq) };
  };
  for (const one of happened) {
    moveTo(one.seq, one.changeSeq);
    if ('notification' in one) {
      events.push({ kind: 'ADDED', notification: one.notification, place: at, badge });
    } else if (one.change.ids.length > 0) {
      events.push({ kind: 'CHANGED', action: one.change.action, ids: one.change.ids, place: at, badge });
    }
  }
  moveTo(end, 0n);
  return { events, place: at };
}

const max = (a: bigint, b: bigint) => (a > b ? a : b);

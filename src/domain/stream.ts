import type { Badge } from './badge.ts';
import { badgeOf, type Inbox, type InboxChange, maxIdsOfChange } from './inbox.ts';
import type { Notification } from './notification.ts';

/** What can be told one by one; whoever comes from before it begins anew with the list. */
export const streamWindow = { maxEvents: 1_000, maxAgeMs: 7 * 86_400_000 } as const;

/** A place in what happened to an inbox: behind so many arrivals and changes. */
export interface Place {
  /** Of the inbox: tells it from that of an erased user of the same name. */
  readonly firstVersion: number;
  readonly lastSeq: bigint;
  readonly changeSeq: bigint;
}

/**
 * NO_CURSOR: where to begin was not said. TOO_OLD, TOO_MANY: what followed is not all there any more, or more than is told
 * one by one. USER_ERASED: with everything. UNKNOWN_CURSOR: ahead of the inbox.
 */
export type ResetReason = 'NO_CURSOR' | 'TOO_OLD' | 'TOO_MANY' | 'USER_ERASED' | 'UNKNOWN_CURSOR';

/** One thing that happened, the place behind it, and the badge at or after it. */
export type StreamEvent = { readonly place: Place; readonly badge: Badge } & (
  | { readonly kind: 'ADDED'; readonly notification: Notification }
  | { readonly kind: 'CHANGED'; readonly action: InboxChange['action']; readonly ids: readonly string[] }
  | { readonly kind: 'RESET'; readonly reason: ResetReason }
);

export function placeOf({ firstVersion, lastSeq, changeSeq }: Inbox): Place {
  return { firstVersion, lastSeq, changeSeq };
}

/** Whether nothing follows the place. */
export function isAtEnd(place: Place, inbox: Inbox): boolean {
  return place.lastSeq === inbox.lastSeq && place.changeSeq === inbox.changeSeq;
}

/** Why what follows a place in this inbox cannot be told one by one; undefined when it may be, for all the inbox says. */
export function resetReasonOf(place: Place, inbox: Inbox): ResetReason | undefined {
  const isBeginning = place.lastSeq === 0n && place.changeSeq === 0n;
  if (!isBeginning && place.firstVersion !== inbox.firstVersion) return 'USER_ERASED';
  const arrivals = inbox.lastSeq - place.lastSeq;
  const changes = inbox.changeSeq - place.changeSeq;
  if (arrivals < 0n || changes < 0n) return 'UNKNOWN_CURSOR';
  return arrivals + changes > streamWindow.maxEvents ? 'TOO_MANY' : undefined;
}

/** It was to more than are named one by one, and may be kept without saying to which. */
const isToMany = ({ ids, stretch }: InboxChange): boolean =>
  stretch ? stretch.to - stretch.from > maxIdsOfChange : ids.length === 0 || ids.length > maxIdsOfChange;

/**
 * What follows a place, in the order in which it happened: the arrivals, of which at most `pageSize` were read, and the
 * changes, read from the first on as far as a page goes, both up to where the inbox stands. Rows may be newer than that; the
 * changes that made them so follow later.
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
  // Changes are numbered without a gap: one that is missing was too old to be kept.
  const isMissing = inbox.changeSeq > place.changeSeq && changes[0]?.changeSeq !== place.changeSeq + 1n;
  const times = [arrivals[0]?.deliveredAt, changes[0]?.changedAt];
  if (isMissing || times.some((at) => at && at.getTime() < oldest)) return { reason: 'TOO_OLD' };
  if (changes.some(isToMany)) return { reason: 'TOO_MANY' };

  // As far as both were read.
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

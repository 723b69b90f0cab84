import fc from 'fast-check';
import type { NotificationAction } from '../domain/notification.ts';

/**
 * A notification in the model of one inbox. The model is as simple as possible: a list of rows that every
 * rule scans. Times are in ms.
 */
interface Row {
  readonly id: string;
  state: 'scheduled' | 'delivered' | 'expired';
  seen: boolean;
  read: boolean;
  archived: boolean;
  snoozedUntil: number | undefined;
  readonly comesAt: number;
  expiresAt: number | undefined;
  readonly group: string | undefined;
  subject: string | undefined;
  place: number;
}

const minuteMs = 60_000;
const groups = fc.option(fc.constantFrom('g', 'h'), { nil: undefined });
const subjects = fc.constantFrom('s', 't');
const upTo = fc.option(fc.nat(12), { nil: undefined });
/**
 * The number of transactions of a step that fail. Every second failing transaction is committed before it
 * fails.
 */
const failures = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3) });
// Each kind of change has another offset, because two changes at the same time would have no defined order.
const minutes = (max: number, offsetMs: number) =>
  fc.integer({ min: 1, max }).map((count) => count * minuteMs + offsetMs);

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constant('send' as const),
      group: groups,
      subject: fc.option(subjects, { nil: undefined }),
      comesInMs: fc.option(minutes(5, 0), { nil: undefined }),
      expiresInMs: fc.option(minutes(6, 6 * minuteMs + 20_000), { nil: undefined }),
      times: fc.integer({ min: 1, max: 2 }),
      failures,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant('mark' as const),
      action: fc.constantFrom<NotificationAction>(
        'SEEN',
        'READ',
        'UNREAD',
        'ARCHIVE',
        'UNARCHIVE',
        'UNSNOOZE',
      ),
      which: fc.option(fc.nat(5), { nil: undefined }),
      upTo,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant('snooze' as const),
      which: fc.nat(5),
      forMs: minutes(4, 40_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('open' as const), upTo }) },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('visit' as const),
      subject: subjects,
      kind: fc.constantFrom('page', 'item'),
      failures,
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('prefer' as const), isOn: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constant('pass' as const), ms: minutes(9, 0), inOneGo: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('replay' as const) }) },
);

/** Random sequences of up to 25 steps for an inbox. */
export const happenings = fc.array(step, { maxLength: 25 });
export type Happening = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** Returns a model of one inbox. Its functions have the names of the steps. `now` is in ms. */
export function createInboxModel(now: () => number) {
  const rows: Row[] = [];
  let openedPlace = 0;
  let newestPlace = 0;
  let isOn = true;

  const counts = (row: Row) => row.state === 'delivered' && !row.archived && row.snoozedUntil === undefined;
  const isUnseen = (row: Row) => counts(row) && !row.seen && row.place > openedPlace;
  const drop = (row: Row) => {
    if (rows.includes(row)) rows.splice(rows.indexOf(row), 1);
  };
  const atNewestPlace = (row: Row) => {
    newestPlace += 1;
    Object.assign(row, {
      state: 'delivered',
      place: newestPlace,
      seen: false,
      read: false,
      snoozedUntil: undefined,
    });
  };

  function come(row: Row): void {
    drop(row);
    if (!isOn) return;
    const [group] = rows
      .filter((other) => row.group !== undefined && other.group === row.group && isUnseen(other))
      .sort((a, b) => b.place - a.place);
    if (group) {
      Object.assign(group, { subject: row.subject, expiresAt: row.expiresAt });
      atNewestPlace(group);
    } else {
      rows.push(row);
      atNewestPlace(row);
    }
  }

  const dueOf = ({ state, comesAt, snoozedUntil = Infinity, expiresAt = Infinity }: Row) =>
    ({ scheduled: comesAt, delivered: Math.min(snoozedUntil, expiresAt), expired: Infinity })[state];

  return {
    /** Returns the id of the row at this index, in any state. */
    idAt: (index: number): string | undefined => rows[index]?.id,

    send(
      id: string,
      { group, subject, comesInMs, expiresInMs }: Happening & { readonly what: 'send' },
    ): void {
      const row: Row = {
        id,
        state: 'scheduled',
        seen: false,
        read: false,
        archived: false,
        snoozedUntil: undefined,
        comesAt: now() + (comesInMs ?? 0),
        expiresAt: expiresInMs === undefined ? undefined : now() + expiresInMs,
        group,
        subject,
        place: 0,
      };
      if (comesInMs === undefined) come(row);
      else if (isOn) rows.push(row);
    },

    mark(action: NotificationAction, index: number | undefined, upTo: number | undefined): void {
      const named = index === undefined ? [...rows] : rows.slice(index, index + 1);
      const bound = Math.min(upTo ?? newestPlace, newestPlace);
      const reached = named.filter(({ state, place }) => state === 'delivered' && place <= bound);
      for (const row of reached.sort((a, b) => a.place - b.place)) {
        if (action === 'SEEN' || action === 'READ' || action === 'ARCHIVE') row.seen = true;
        if (action === 'READ') row.read = true;
        if (action === 'UNREAD') row.read = false;
        if (action === 'ARCHIVE') Object.assign(row, { archived: true, snoozedUntil: undefined });
        if (action === 'UNARCHIVE') row.archived = false;
        if (action === 'UNSNOOZE' && row.snoozedUntil !== undefined) atNewestPlace(row);
      }
    },

    snooze(index: number, forMs: number): void {
      const row = rows[index];
      if (row?.state === 'delivered' && !row.archived) row.snoozedUntil = now() + forMs;
    },

    open(upTo: number | undefined): void {
      openedPlace = Math.max(openedPlace, Math.min(upTo ?? newestPlace, newestPlace));
    },

    visit(subject: string): void {
      for (const row of rows.filter((row) => counts(row) && row.subject === subject && !row.read)) {
        Object.assign(row, { read: true, seen: true });
      }
    },

    prefer(on: boolean): void {
      isOn = on;
    },

    /**
     * Returns the time in ms at which the next row changes without a step. Undefined if no row will change.
     */
    nextDue: (): number | undefined =>
      rows
        .map(dueOf)
        .sort((a, b) => a - b)
        .find((due) => due < Infinity),

    /**
     * Applies the due changes in the order of their times. A notification that expires before its delivery is
     * never delivered.
     */
    applyDue(): void {
      const isDue = (row: Row) => rows.includes(row) && dueOf(row) <= now();
      for (let due = rows.filter(isDue); due.length > 0; due = rows.filter(isDue)) {
        for (const row of due.sort((a, b) => dueOf(a) - dueOf(b))) {
          if (!isDue(row)) continue;
          if (row.expiresAt !== undefined && row.expiresAt <= now()) row.state = 'expired';
          else if (row.state === 'scheduled') come(row);
          else atNewestPlace(row);
        }
      }
    },

    /** Returns the ids of the unseen rows, newest first. */
    unseen: (): readonly string[] =>
      rows
        .filter(isUnseen)
        .sort((a, b) => b.place - a.place)
        .map(({ id }) => id),
    unread: (): number => rows.filter((row) => counts(row) && !row.read).length,
  };
}

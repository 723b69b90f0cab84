import {
  arrive,
  countsAfter,
  deliver,
  type Inbox,
  type InboxChange,
  isUnseen,
  join,
  noteChange,
  type UserInbox,
  withCounts,
} from './inbox.ts';
import { dueAtOf, isUnread, type Notification } from './notification.ts';
import { maxClockAheadMs } from './page-view.ts';
import type { Recipient } from './preference.ts';
import { type UserKey, userKeyOf } from './user.ts';

/** A notification that reached its user. A snoozed notification that comes back is not an arrival. */
export interface Arrival {
  /** The id that the notification was sent with, also if it joined a group. */
  readonly id: string;
  readonly user: Recipient;
  /** The inbox after the arrival. */
  readonly inbox: Inbox;
  /** The row in the inbox. */
  readonly notification: Notification;
}

/** The result of a batch: the rows to write, and the arrivals. */
export interface InboxWrites {
  /** All locked inboxes in their new state. */
  readonly inboxes: readonly Inbox[];
  /** The inboxes that the batch changed. */
  readonly touched: readonly Inbox[];
  readonly added: readonly Notification[];
  readonly changed: readonly Notification[];
  /** Rows to remove, because their content moved to the group that they joined. */
  readonly joined: readonly Notification[];
  readonly changes: readonly InboxChange[];
  /** In the order of arrival. */
  readonly arrivals: readonly Arrival[];
}

/**
 * The most unread notifications of a user that the visits of a batch mark as read, the newest of a subject first. The next
 * visit marks the next ones. The transaction of a batch reads and writes each of these rows. Some hundred thousand rows would
 * exceed the time of a statement at every attempt, and would block the events of all users.
 */
export const maxReadByVisit = 1_000;

/** The parts of a batch that its steps share. */
interface BatchState {
  readonly users: ReadonlyMap<string, Recipient>;
  readonly inboxes: Map<string, Inbox>;
  readonly rows: BatchRows;
  readonly joined: Notification[];
  readonly changes: InboxChange[];
  readonly arrivals: Arrival[];
  readonly now: Date;
  readonly lockedCategories: readonly string[];
}

/**
 * Applies the events of a batch to its locked inboxes, in order. `known` must hold every row that the events can touch: the
 * visited rows, the due rows, and the newest unseen row of each group that receives a notification.
 */
export function createInboxBatch({
  locked,
  known,
  now,
  lockedCategories,
}: {
  readonly locked: readonly UserInbox[];
  readonly known: readonly Notification[];
  readonly now: Date;
  readonly lockedCategories: readonly string[];
}) {
  const inboxes = new Map(locked.map(({ inbox }) => [userKeyOf(inbox), inbox]));
  const untouched = new Set(inboxes.values());
  const state: BatchState = {
    users: new Map(locked.map(({ user }) => [userKeyOf(user), user])),
    inboxes,
    rows: createRows(known),
    joined: [],
    changes: [],
    arrivals: [],
    now,
    lockedCategories,
  };

  return {
    /**
     * Delivers a new notification, or a row that is due. Returns false if its user does not exist. A notification with a group
     * joins the unseen notification of that group.
     */
    deliver: (notification: Notification, options: { readonly isNew: boolean }): boolean =>
      deliverInto(state, notification, options),

    /** Delivers, expires or wakes a row that was due when it was read. */
    applyDue: (read: Notification): void => applyDue(state, read),

    /** Marks known notifications about these subjects as read, if they were sent before the visit. */
    visit: (visitor: UserKey, subjectIds: readonly string[], at: Date): void =>
      visit(state, visitor, subjectIds, at),

    writes: (): InboxWrites => ({
      inboxes: [...inboxes.values()],
      touched: [...inboxes.values()].filter((inbox) => !untouched.has(inbox)),
      added: state.rows.added(),
      changed: state.rows.changed(),
      joined: state.joined,
      changes: state.changes,
      arrivals: state.arrivals,
    }),
  };
}

export type InboxBatch = ReturnType<typeof createInboxBatch>;

function deliverInto(
  { users, inboxes, rows, joined, arrivals, now, lockedCategories }: BatchState,
  notification: Notification,
  { isNew }: { readonly isNew: boolean },
): boolean {
  const key = userKeyOf(notification);
  const user = users.get(key);
  const inbox = inboxes.get(key);
  if (!user || !inbox) return false;
  const delivered = deliver(inbox, user, notification, now, lockedCategories);
  const arrives = delivered.inbox !== inbox;
  const group = arrives ? rows.unseenOfGroup(inbox, notification) : undefined;
  const after = group ? join(inbox, group, notification, now) : delivered;
  inboxes.set(key, after.inbox);
  rows.keep(after.notification, isNew && !group);
  if (group && !isNew) joined.push(notification);
  if (arrives) arrivals.push({ id: notification.id, user, ...after });
  return true;
}

function applyDue(state: BatchState, read: Notification): void {
  const { inboxes, rows, now } = state;
  const key = userKeyOf(read);
  const inbox = inboxes.get(key);
  // Another notification may have joined this group since.
  const row = rows.current(read);
  const dueAt = dueAtOf(row);
  if (!inbox) return;
  // Writes the moment again. A row that stays due would be taken again and again.
  if (!dueAt || dueAt > now) rows.keep(row);
  else if (row.status === 'SCHEDULED') deliverInto(state, row, { isNew: false });
  else if (row.expiresAt && row.expiresAt <= now) expire(state, inbox, row);
  else {
    const awake = arrive(inbox, row, now);
    inboxes.set(key, awake.inbox);
    rows.keep(awake.notification);
  }
}

function expire({ inboxes, rows, changes, now }: BatchState, inbox: Inbox, row: Notification): void {
  const expired: Notification = { ...row, status: 'EXPIRED' };
  const counted = withCounts(inbox, countsAfter(inbox, row, expired), now);
  const noted = noteChange(counted, { action: 'EXPIRE', ids: [row.id] }, now);
  inboxes.set(userKeyOf(row), noted.inbox);
  changes.push(noted.change);
  rows.keep(expired);
}

function visit(
  { inboxes, rows, changes, now }: BatchState,
  visitor: UserKey,
  subjectIds: readonly string[],
  at: Date,
): void {
  const key = userKeyOf(visitor);
  const inbox = inboxes.get(key);
  if (!inbox) return;
  const latest = at.getTime() + maxClockAheadMs;
  const read = [...new Set(subjectIds)]
    .flatMap((subjectId) => rows.aboutSubject(visitor, subjectId))
    .filter((row) => isUnread(row) && row.createdAt.getTime() <= latest);
  if (read.length === 0) return;
  let after = inbox;
  for (const row of read) {
    const readRow = { ...row, readAt: now, seenAt: row.seenAt ?? now };
    after = { ...after, ...countsAfter(after, row, readRow) };
    rows.keep(readRow);
  }
  const counted = withCounts(inbox, after, now);
  const noted = noteChange(counted, { action: 'READ', ids: read.map(({ id }) => id) }, now);
  inboxes.set(key, noted.inbox);
  changes.push(noted.change);
}

/** The rows of a batch in their current state, by key, by group and by subject. */
function createRows(known: readonly Notification[]) {
  const added = new Map<string, Notification>();
  const changed = new Map<string, Notification>();
  const rows = new Map<string, Notification>();
  /** The keys of the rows by group and by subject, including groups and subjects that the rows left. */
  const groups = new Map<string, Set<string>>();
  const subjects = new Map<string, Set<string>>();
  known.forEach(remember);

  function remember(row: Notification): void {
    rows.set(rowKeyOf(row), row);
    if (row.groupKey !== null) putUnder(groups, under(row, row.groupKey), rowKeyOf(row));
    if (row.subjectId !== null) putUnder(subjects, under(row, row.subjectId), rowKeyOf(row));
  }

  const rowsUnder = (index: Map<string, Set<string>>, key: string): readonly Notification[] =>
    [...(index.get(key) ?? [])].flatMap((rowKey) => rows.get(rowKey) ?? []);

  return {
    added: (): readonly Notification[] => [...added.values()],
    changed: (): readonly Notification[] => [...changed.values()],
    current: (row: Notification): Notification => rows.get(rowKeyOf(row)) ?? row,

    keep(row: Notification, isNew = false): void {
      const key = rowKeyOf(row);
      (isNew || added.has(key) ? added : changed).set(key, row);
      remember(row);
    },

    /** The newest unseen notification of the group. */
    unseenOfGroup(inbox: Inbox, notification: Notification): Notification | undefined {
      const { groupKey } = notification;
      if (groupKey === null) return undefined;
      return rowsUnder(groups, under(notification, groupKey))
        .filter((row) => isUnseen(inbox, row))
        .reduce<Notification | undefined>((a, b) => (a?.seq && b.seq && a.seq > b.seq ? a : b), undefined);
    },

    /** The rows about the subject. The newest notification of a group may have left the subject. */
    aboutSubject: (visitor: UserKey, subjectId: string): readonly Notification[] =>
      rowsUnder(subjects, under(visitor, subjectId)).filter((row) => row.subjectId === subjectId),
  };
}

type BatchRows = ReturnType<typeof createRows>;

const under = (key: UserKey, name: string) => `${userKeyOf(key)}\n${name}`;

function putUnder(index: Map<string, Set<string>>, key: string, rowKey: string): void {
  index.set(key, (index.get(key) ?? new Set()).add(rowKey));
}

const rowKeyOf = ({ tenantId, id }: Notification) => `${tenantId}/${id}`;

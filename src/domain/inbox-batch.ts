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

/**
 * A notification that arrived in the inbox of its user. The return of a snoozed notification is not an
 * arrival.
 */
export interface Arrival {
  /** The id of the notification as it was sent, even if the notification joined a group. */
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
  /** Rows to remove. Their notifications joined a group, and the row of the group has their content now. */
  readonly joined: readonly Notification[];
  readonly changes: readonly InboxChange[];
  /** The arrivals, in their order. */
  readonly arrivals: readonly Arrival[];
}

/**
 * The maximum number of unread notifications of a user that the visits of a batch mark as read. The newest
 * notifications about a subject are marked first. The next visit marks the next notifications. The
 * transaction of a batch reads and writes each of these rows. With some hundred thousand rows, each attempt
 * would exceed the time limit of a statement, and the events of all users would wait.
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
 * Creates an object that applies the events of a batch, in order, to the locked inboxes of the batch. `known`
 * must have every row that the events can change: the rows that visits mark, the rows that are due, and the
 * newest unseen row of each group that receives a notification.
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
     * Delivers a new notification, or a stored notification that is due. Returns false if the user does not
     * exist. If the notification has a group and the group has an unseen notification, the new notification
     * joins it.
     */
    deliver: (notification: Notification, options: { readonly isNew: boolean }): boolean =>
      deliverInto(state, notification, options),

    /**
     * Delivers or expires a notification, or ends its snooze. The notification was due when its row was read.
     */
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
  // The row may have changed since it was read, because another notification may have joined its group.
  const row = rows.current(read);
  const dueAt = dueAtOf(row);
  if (!inbox) return;
  // Writes the row with its correct due time. Otherwise the row stays due, and every round reads it again.
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

/** The rows of a batch in their current state. The rows can be found by key, by group and by subject. */
function createRows(known: readonly Notification[]) {
  const added = new Map<string, Notification>();
  const changed = new Map<string, Notification>();
  const rows = new Map<string, Notification>();
  /**
   * Map each group and each subject to the keys of its rows. A row stays under a group or subject that it has
   * left.
   */
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

    /** Returns the newest unseen notification of the group. */
    unseenOfGroup(inbox: Inbox, notification: Notification): Notification | undefined {
      const { groupKey } = notification;
      if (groupKey === null) return undefined;
      return rowsUnder(groups, under(notification, groupKey))
        .filter((row) => isUnseen(inbox, row))
        .reduce<Notification | undefined>((a, b) => (a?.seq && b.seq && a.seq > b.seq ? a : b), undefined);
    },

    /**
     * Returns the rows that are about the subject now. When a notification joins a group, the row of the
     * group may change to another subject.
     */
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

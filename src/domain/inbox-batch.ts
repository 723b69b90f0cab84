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

/** A notification reached its user; what came again, being put off, is none. */
export interface Arrival {
  /** The one it was sent with, also when it joined a group. */
  readonly id: string;
  readonly user: Recipient;
  /** After it. */
  readonly inbox: Inbox;
  /** As it stands in the inbox. */
  readonly notification: Notification;
}

/** What a batch did to inboxes: the rows to write, and what is new to their users. */
export interface InboxWrites {
  /** Of all inboxes given, as they are now. */
  readonly inboxes: readonly Inbox[];
  /** Those of them that it changed. */
  readonly touched: readonly Inbox[];
  readonly added: readonly Notification[];
  readonly changed: readonly Notification[];
  /** Rows whose content lives on in the group they joined. */
  readonly joined: readonly Notification[];
  readonly changes: readonly InboxChange[];
  /** In the order of arrival. */
  readonly arrivals: readonly Arrival[];
}

/**
 * So many unread notifications of a user the visits of a batch read, the newest of a subject first; the next visit reads the
 * next. Each is a row that is read and written in the transaction of a batch: of some hundred thousand it would take longer than
 * a statement may, however often it is tried, and nobody's events would go on.
 */
export const maxReadByVisit = 1_000;

const under = (key: UserKey, name: string) => `${userKeyOf(key)}\n${name}`;

function putUnder(index: Map<string, Set<string>>, key: string, rowKey: string): void {
  index.set(key, (index.get(key) ?? new Set()).add(rowKey));
}

const rowKeyOf = ({ tenantId, id }: Notification) => `${tenantId}/${id}`;

/**
 * The locked inboxes of a batch, through which its events go in their order. `known` are the rows these can touch: those
 * that are visited or due, and of each group that is sent to the newest unseen one beside them, which is the newest when
 * none of them is.
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
  const users = new Map(locked.map(({ user }) => [userKeyOf(user), user]));
  const inboxes = new Map(locked.map(({ inbox }) => [userKeyOf(inbox), inbox]));
  const untouched = new Set(inboxes.values());
  const added = new Map<string, Notification>();
  const changed = new Map<string, Notification>();
  const joined: Notification[] = [];
  const changes: InboxChange[] = [];
  const arrivals: Arrival[] = [];
  /** As they are by now; and the keys of those that are, or were in this batch, of each group and about each subject. */
  const rows = new Map<string, Notification>();
  const groups = new Map<string, Set<string>>();
  const subjects = new Map<string, Set<string>>();
  known.forEach(remember);

  function remember(row: Notification): void {
    rows.set(rowKeyOf(row), row);
    if (row.groupKey !== null) putUnder(groups, under(row, row.groupKey), rowKeyOf(row));
    if (row.subjectId !== null) putUnder(subjects, under(row, row.subjectId), rowKeyOf(row));
  }

  function keep(row: Notification, isNew = false): void {
    const key = rowKeyOf(row);
    (isNew || added.has(key) ? added : changed).set(key, row);
    remember(row);
  }

  const rowsUnder = (index: Map<string, Set<string>>, key: string): readonly Notification[] =>
    [...(index.get(key) ?? [])].flatMap((rowKey) => rows.get(rowKey) ?? []);

  /** The newest that counts as unseen of the group of a notification. */
  function unseenOfGroup(inbox: Inbox, notification: Notification): Notification | undefined {
    const { groupKey } = notification;
    if (groupKey === null) return undefined;
    return rowsUnder(groups, under(notification, groupKey))
      .filter((row) => isUnseen(inbox, row))
      .reduce<Notification | undefined>((a, b) => (a?.seq && b.seq && a.seq > b.seq ? a : b), undefined);
  }

  /**
   * Delivers a notification that is new, or a row whose time has come; false when its user does not exist. One with a
   * group joins the unseen one of it.
   */
  function deliverInto(notification: Notification, { isNew }: { readonly isNew: boolean }): boolean {
    const key = userKeyOf(notification);
    const user = users.get(key);
    const inbox = inboxes.get(key);
    if (!user || !inbox) return false;
    const delivered = deliver(inbox, user, notification, now, lockedCategories);
    const arrives = delivered.inbox !== inbox;
    const group = arrives ? unseenOfGroup(inbox, notification) : undefined;
    const after = group ? join(inbox, group, notification, now) : delivered;
    inboxes.set(key, after.inbox);
    keep(after.notification, isNew && !group);
    if (group && !isNew) joined.push(notification);
    if (arrives) arrivals.push({ id: notification.id, user, ...after });
    return true;
  }

  return {
    deliver: deliverInto,

    /** What time does to a row that it had come for when the row was read. */
    applyDue(read: Notification): void {
      const key = userKeyOf(read);
      const inbox = inboxes.get(key);
      // Another of its group may have joined it meanwhile.
      const row = rows.get(rowKeyOf(read)) ?? read;
      const dueAt = dueAtOf(row);
      if (!inbox) return;
      // Kept all the same, its moment is written again: what stays due would be taken again and again.
      if (!dueAt || dueAt > now) keep(row);
      else if (row.status === 'SCHEDULED') deliverInto(row, { isNew: false });
      else if (row.expiresAt && row.expiresAt <= now) {
        const expired: Notification = { ...row, status: 'EXPIRED' };
        const counted = withCounts(inbox, countsAfter(inbox, row, expired), now);
        const noted = noteChange(counted, { action: 'EXPIRE', ids: [row.id] }, now);
        inboxes.set(key, noted.inbox);
        changes.push(noted.change);
        keep(expired);
      } else {
        const awake = arrive(inbox, row, now);
        inboxes.set(key, awake.inbox);
        keep(awake.notification);
      }
    },

    /** A visit reads what was sent about its subjects before, as far as it is known here. */
    visit(visitor: UserKey, subjectIds: readonly string[], at: Date): void {
      const key = userKeyOf(visitor);
      const inbox = inboxes.get(key);
      if (!inbox) return;
      const latest = at.getTime() + maxClockAheadMs;
      const read = [...new Set(subjectIds)]
        .flatMap((subjectId) =>
          // The newest of a group may be about another.
          rowsUnder(subjects, under(visitor, subjectId)).filter((row) => row.subjectId === subjectId),
        )
        .filter((row) => isUnread(row) && row.createdAt.getTime() <= latest);
      if (read.length === 0) return;
      let after = inbox;
      for (const row of read) {
        const readRow = { ...row, readAt: now, seenAt: row.seenAt ?? now };
        after = { ...after, ...countsAfter(after, row, readRow) };
        keep(readRow);
      }
      const counted = withCounts(inbox, after, now);
      const noted = noteChange(counted, { action: 'READ', ids: read.map(({ id }) => id) }, now);
      inboxes.set(key, noted.inbox);
      changes.push(noted.change);
    },

    writes: (): InboxWrites => ({
      inboxes: [...inboxes.values()],
      touched: [...inboxes.values()].filter((inbox) => !untouched.has(inbox)),
      added: [...added.values()],
      changed: [...changed.values()],
      joined,
      changes,
      arrivals,
    }),
  };
}

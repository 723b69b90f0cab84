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
import { isUnread, type Notification } from './notification.ts';
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
export interface Mail {
  /** Of all inboxes given, as they are now. */
  readonly inboxes: readonly Inbox[];
  readonly added: readonly Notification[];
  readonly changed: readonly Notification[];
  /** Rows whose content lives on in the group they joined. */
  readonly joined: readonly Notification[];
  readonly changes: readonly InboxChange[];
  /** In the order of arrival. */
  readonly arrivals: readonly Arrival[];
}

const under = (key: UserKey, name: string) => `${userKeyOf(key)}\n${name}`;
const rowKeyOf = ({ tenantId, id }: Notification) => `${tenantId}/${id}`;

/**
 * The locked inboxes of a batch, through which its events go in their order. `known` are the rows these can touch: unread
 * ones of the groups that are sent to and about the subjects that are visited.
 */
export function createMailboxes({
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
  const added = new Map<string, Notification>();
  const changed = new Map<string, Notification>();
  const joined: Notification[] = [];
  const changes: InboxChange[] = [];
  const arrivals: Arrival[] = [];
  /** The newest row of each group, and the rows about each subject. */
  const groups = new Map<string, Notification>();
  const subjects = new Map<string, Map<string, Notification>>();
  known.forEach(remember);

  function remember(row: Notification): void {
    if (row.groupKey !== null) {
      const key = under(row, row.groupKey);
      const group = groups.get(key);
      if (!group || rowKeyOf(group) === rowKeyOf(row) || (group.seq ?? 0n) < (row.seq ?? 0n))
        groups.set(key, row);
    }
    if (row.subjectId !== null) {
      const key = under(row, row.subjectId);
      const rows = subjects.get(key) ?? new Map<string, Notification>();
      subjects.set(key, rows.set(rowKeyOf(row), row));
    }
  }

  function keep(row: Notification, isNew = false): void {
    const key = rowKeyOf(row);
    (isNew || added.has(key) ? added : changed).set(key, row);
    remember(row);
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
    const { groupKey } = notification;
    const group = groupKey === null ? undefined : groups.get(under(notification, groupKey));
    const arrives = delivered.inbox !== inbox;
    const joins = arrives && group && isUnseen(inbox, group);
    const after = joins ? join(inbox, group, notification, now) : delivered;
    inboxes.set(key, after.inbox);
    keep(after.notification, isNew && !joins);
    if (joins && !isNew) joined.push(notification);
    if (arrives) arrivals.push({ id: notification.id, user, ...after });
    return true;
  }

  return {
    deliver: deliverInto,

    /** What time does to a row that it has come for. */
    comeDue(row: Notification): void {
      const key = userKeyOf(row);
      const inbox = inboxes.get(key);
      if (!inbox) return;
      if (row.status === 'SCHEDULED') deliverInto(row, { isNew: false });
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

    /** A visit reads what was sent about its subject before. */
    visit(visitor: UserKey, subjectId: string, at: Date): void {
      const key = userKeyOf(visitor);
      const inbox = inboxes.get(key);
      if (!inbox) return;
      const latest = at.getTime() + maxClockAheadMs;
      const read = [...(subjects.get(under(visitor, subjectId))?.values() ?? [])].filter(
        (row) => isUnread(row) && row.createdAt.getTime() <= latest,
      );
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

    mail: (): Mail => ({
      inboxes: [...inboxes.values()],
      added: [...added.values()],
      changed: [...changed.values()],
      joined,
      changes,
      arrivals,
    }),
  };
}

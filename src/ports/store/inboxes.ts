import type { Counts, Inbox, InboxChange, UserInbox } from '../../domain/inbox.ts';
import type { UserKey } from '../../domain/user.ts';

/** Reads inboxes and their counters. */
export interface InboxStore {
  /**
   * Returns the inboxes of the users, in no order. For a user without an inbox, returns an empty inbox with a
   * higher version than all erased inboxes.
   */
  inboxes(keys: readonly UserKey[]): Promise<readonly Inbox[]>;
  /** Returns the users of all tenants who have an inbox, sorted by key, after the key `after`. */
  inboxKeys(page: { readonly first: number; readonly after?: UserKey }): Promise<readonly UserKey[]>;
  /**
   * Returns the inboxes that exist, in no order. Returns with each inbox the counts of its rows at the same
   * time.
   */
  recount(keys: readonly UserKey[]): Promise<readonly Recounted[]>;
  /**
   * Like `recount`, for about `size` random inboxes of any tenant. The sample contains groups of inboxes that
   * are neighbours in the table.
   */
  recountSample(size: number): Promise<readonly Recounted[]>;
  /**
   * Returns the oldest changes of each stretch, at most `first`. Returns fewer if the changes together name
   * more than 1,000 notifications. If a change is an opening of the inbox, its ids are the notifications of
   * its stretch that this opening was the first to show. The ids are empty if there are more than 1,000.
   */
  changes(stretches: readonly Stretch[], first: number): Promise<readonly (readonly InboxChange[])[]>;
}

export interface InboxTransaction {
  /**
   * Locks the inboxes of the users that exist until the end of the transaction. Creates missing inboxes.
   * Returns the inboxes in the order of the keys.
   */
  lockInboxes(keys: readonly UserKey[], now: Date): Promise<readonly UserInbox[]>;
  saveInboxes(inboxes: readonly Inbox[]): Promise<void>;
  inboxes(keys: readonly UserKey[]): Promise<readonly Inbox[]>;
  /** Like `InboxStore.recount`, for inboxes that the transaction has locked. */
  recount(keys: readonly UserKey[]): Promise<readonly Recounted[]>;
  /** Stores changes. The store keeps the newest 1,000 changes of an inbox. */
  addChanges(changes: readonly InboxChange[]): Promise<void>;
  /** Records at which time the user opened the inbox up to `upToSeq`. */
  addOpening(key: UserKey, upToSeq: bigint, now: Date): Promise<void>;
}

/** An inbox with its stored counters, and the counters computed from its rows. */
export interface Recounted {
  readonly inbox: Inbox;
  readonly counts: Counts;
}

/** A part of the history of an inbox: its arrivals, or its changes, with numbers in `(after, upTo]`. */
export interface Stretch extends UserKey {
  readonly after: bigint;
  readonly upTo: bigint;
}

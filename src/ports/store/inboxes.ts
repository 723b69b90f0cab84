import type { Counts, Inbox, InboxChange, UserInbox } from '../../domain/inbox.ts';
import type { UserKey } from '../../domain/user.ts';

/** Reads inboxes and their counters. */
export interface InboxStore {
  /**
   * The inboxes, in no order. A user without an inbox gets an empty one, whose version is higher than those of all erased
   * inboxes.
   */
  inboxes(keys: readonly UserKey[]): Promise<readonly Inbox[]>;
  /** The users of all tenants who have an inbox, after the key `after`, sorted. */
  inboxKeys(page: { readonly first: number; readonly after?: UserKey }): Promise<readonly UserKey[]>;
  /** The inboxes that exist beside a count of their rows at the same moment, in no order. */
  recount(keys: readonly UserKey[]): Promise<readonly Recounted[]>;
  /** Like `recount`, for about `size` random inboxes of any tenant. Neighbours in the table come together. */
  recountSample(size: number): Promise<readonly Recounted[]>;
  /**
   * Per stretch its oldest changes, at most `first`, and fewer when they name more than 1,000 notifications together. An
   * opening names the notifications of its stretch that it was the first to show, and none if there are more than 1,000.
   */
  changes(stretches: readonly Stretch[], first: number): Promise<readonly (readonly InboxChange[])[]>;
}

export interface InboxTransaction {
  /**
   * The inboxes of the users that exist, locked until the end of the transaction, created where missing. In the order of
   * the keys.
   */
  lockInboxes(keys: readonly UserKey[], now: Date): Promise<readonly UserInbox[]>;
  saveInboxes(inboxes: readonly Inbox[]): Promise<void>;
  inboxes(keys: readonly UserKey[]): Promise<readonly Inbox[]>;
  /** Like `InboxStore.recount`, for inboxes that the transaction has locked. */
  recount(keys: readonly UserKey[]): Promise<readonly Recounted[]>;
  /** Keeps changes. An inbox keeps its newest 1,000. */
  addChanges(changes: readonly InboxChange[]): Promise<void>;
  /** Notes when the watermark reached its place. */
  addOpening(key: UserKey, upToSeq: bigint, now: Date): Promise<void>;
}

/** An inbox with its counters, and the counters that its rows add up to. */
export interface Recounted {
  readonly inbox: Inbox;
  readonly counts: Counts;
}

/** A part of the history of an inbox: the places `(after, upTo]` of its arrivals or of its changes. */
export interface Stretch extends UserKey {
  readonly after: bigint;
  readonly upTo: bigint;
}

import type {
  Activity,
  ActivityTypeKey,
  BucketKey,
  CountedBucket,
  Granularity,
  TypeCount,
  TypedBucket,
} from '../domain/activity.ts';
import type { Badge } from '../domain/badge.ts';
import type { Decimal } from '../domain/decimal.ts';
import type { Counts, Inbox, InboxChange, UserInbox } from '../domain/inbox.ts';
import type {
  CollectionKey,
  Horizon,
  Item,
  ItemCollection,
  ItemView,
  ViewedItem,
  ViewerKey,
} from '../domain/item.ts';
import type {
  LimitFilter,
  LimitKey,
  LimitRecord,
  ShownLimit,
  UserLimit,
  ZonedLimit,
} from '../domain/limit.ts';
import type { Notification, NotificationAction, NotificationFilter } from '../domain/notification.ts';
import type { PageView } from '../domain/page-view.ts';
import type { CategoryChoice, Recipient } from '../domain/preference.ts';
import type { StatsWindow, UserStats } from '../domain/stats.ts';
import type { User, UserKey, UserPatch } from '../domain/user.ts';
import type { Wait } from '../domain/waiting.ts';
import type { LogRecord, OutgoingRecord } from './event-log.ts';

/**
 * Everything that is kept. What was written is seen by every read that starts after it resolved. Every function rejects
 * with UNAVAILABLE when the database is away, too slow or a lock could not be had: the same call may succeed later.
 * Functions that take arrays cost a fixed number of statements, however long the array.
 */
export interface Store {
  /**
   * Runs `work` in one transaction on one connection: all of it is kept, or, when it rejects, none. Where connections are
   * short, users take turns: `owner` says whose turn it takes.
   */
  transaction<T>(work: (transaction: StoreTransaction) => Promise<T>, owner?: UserKey): Promise<T>;
  /**
   * Like `transaction`, for what records of the log amount to. Unless somebody is told of it (`publishes`), a crash of the
   * database may undo it, together with the position of the group that consumed them: they come again.
   */
  projection<T>(
    work: (transaction: StoreTransaction) => Promise<T>,
    options: { readonly publishes: boolean },
  ): Promise<T>;

  /** The users that exist, in no order. */
  users(keys: readonly UserKey[]): Promise<readonly User[]>;
  /** Users of a tenant by user id, those after the id `after`. The order is one of text, and always the same. */
  usersOf(
    tenantId: string,
    page: { readonly first: number; readonly after?: string },
  ): Promise<readonly User[]>;
  countUsers(tenantId: string): Promise<number>;
  /** Like `users`, with what they chose not to receive. */
  recipients(keys: readonly UserKey[]): Promise<readonly Recipient[]>;
  /** What users chose per category, in no order. */
  categoryChoices(keys: readonly UserKey[]): Promise<readonly (UserKey & CategoryChoice)[]>;
  /**
   * The inboxes, in no order; an empty one for whom none exists, with the version it would begin with: beyond those of
   * every inbox that was erased.
   */
  inboxes(keys: readonly UserKey[]): Promise<readonly Inbox[]>;

  /** Delivered notifications, newest first, those with a seq below `before`. */
  notifications(
    key: UserKey,
    page: NotificationFilter & { readonly first: number; readonly before?: bigint },
  ): Promise<readonly Notification[]>;
  countNotifications(key: UserKey, filter: NotificationFilter): Promise<number>;
  /** The inboxes that exist beside a count of their rows, of one moment, in no order. */
  recount(keys: readonly UserKey[]): Promise<readonly Recounted[]>;
  /** The same for about `size` inboxes of any tenant, drawn at random; neighbours in the table come together. */
  recountSample(size: number): Promise<readonly Recounted[]>;
  /** Per category with unseen or unread ones, by name. */
  countByCategory(key: UserKey): Promise<readonly (Counts & { readonly category: string })[]>;
  /** Notifications still to come, the next first (ties by id), those after the place `after`. */
  scheduled(
    key: UserKey,
    page: { readonly first: number; readonly after?: { readonly scheduledFor: Date; readonly id: string } },
  ): Promise<readonly Notification[]>;
  countScheduled(key: UserKey): Promise<number>;
  notification(tenantId: string, id: string): Promise<Notification | undefined>;
  /** Per stretch of arrivals the oldest `first` notifications that have their place in it now and are delivered. */
  arrivals(stretches: readonly Stretch[], first: number): Promise<readonly (readonly Notification[])[]>;
  /**
   * Per stretch of changes the oldest, `first` at most, and fewer when they name more than a thousand notifications together.
   * An opening names those of its stretch that it was the first to show; of a stretch of more than a thousand, none.
   */
  changes(stretches: readonly Stretch[], first: number): Promise<readonly (readonly InboxChange[])[]>;
  /** The users among these visitors who have unread notifications about what they visited. */
  usersWithUnreadAbout(visits: readonly Visit[]): Promise<readonly UserKey[]>;

  /** Page views in `[from, to)`, newest first (ties by id, descending), those after the place `after`. */
  pageViews(
    key: UserKey,
    page: PageViewRange & {
      readonly first: number;
      readonly after?: { readonly occurredAt: Date; readonly id: string };
    },
  ): Promise<readonly PageView[]>;
  countPageViews(key: UserKey, range: PageViewRange): Promise<number>;
  pageView(
    key: UserKey,
    place: { readonly occurredAt: Date; readonly id: string },
  ): Promise<PageView | undefined>;

  /**
   * The badges of users over collections, of those for which anything ever changed, in no order. Unseen, and unread, is
   * what was published within the horizon, is not retracted and was not viewed by the user.
   *
   * The version is the collection's plus the user's, each grown by whatever changed the count, in the same transaction:
   * publishing and retracting the one, viewing the other. So both only grow, and no two counts have the same version. Time
   * changes counts as well, and must not do so behind the version: what counts begins at a moment kept with the
   * collection, never at the clock. Whoever reads when something that counts has fallen behind the horizon first moves that
   * moment to it and the version on, once however many notice. So a badge that is read is true, and a watched one is
   * within a resync. Views expire with what they are about: one counts for as long as its item does, unless it was older
   * than the horizon when the item was published; views that can count no more are pruned.
   */
  itemBadges(keys: readonly ViewerKey[], horizon: Horizon): Promise<readonly Badge[]>;
  /** The collections of a tenant, by name, the first so many. */
  collections(tenantId: string, first: number): Promise<readonly string[]>;
  /** Items that are not retracted, newest first (ties by id, descending), those after the place `after`. */
  items(key: CollectionKey, page: ItemPage): Promise<readonly ViewedItem[]>;
  countItems(key: CollectionKey): Promise<number>;
  /** undefined also when it was retracted. */
  item(key: CollectionKey, itemId: string, viewerId: string | undefined): Promise<ViewedItem | undefined>;

  /** Who has an inbox, of all tenants, sorted, those after `after`. */
  inboxKeys(page: { readonly first: number; readonly after?: UserKey }): Promise<readonly UserKey[]>;

  /** Limits that are there or have events kept, of all tenants, sorted, those after `after`. */
  limitKeys(page: { readonly first: number; readonly after?: LimitKey }): Promise<readonly LimitKey[]>;

  /**
   * Runs `work` unless something of this name runs already, in any process; false when it does. A crash ends it for all.
   */
  exclusively(name: string, work: () => Promise<void>): Promise<boolean>;

  /** Those of the buckets that are counted, in no order. */
  activityBuckets(keys: readonly BucketKey[]): Promise<readonly TypedBucket[]>;
  /** Those of a level that begin in `[from, to)`, oldest first; only those that changed at `changedSince` or later. */
  activityBucketsBetween(
    tenantId: string,
    level: Granularity,
    range: { readonly from: Date; readonly to: Date; readonly changedSince?: Date },
  ): Promise<readonly Pick<CountedBucket, 'start' | 'uniqueUsers' | 'pageViewCount' | 'updatedAt'>[]>;
  /**
   * How many different users were active between one bound and the next, by the number of the former; none where nobody
   * was. The bounds are those of buckets of the level.
   */
  distinctUsers(
    tenantId: string,
    level: Granularity,
    bounds: readonly Date[],
  ): Promise<ReadonlyMap<number, number>>;
  /**
   * How often there was activity of each type, at most `maxShownTypes` of them, most first, ties by name; by the bound, as ms since the
   * epoch, that comes before it. `areCounted`: from one bound to the next is one bucket of the level.
   */
  activityTypes(
    tenantId: string,
    level: Granularity,
    bounds: readonly Date[],
    options: { readonly areCounted: boolean },
  ): Promise<ReadonlyMap<number, readonly TypeCount[]>>;

  /** Computed from the raw page views of the window. `topPages` has at most 100. */
  stats(key: UserKey, window: StatsWindow): Promise<UserStats>;

  /** Those of the users that exist, sorted, with their limits. */
  limits(users: readonly UserKey[], filter?: LimitFilter): Promise<readonly LimitedUser[]>;
  /** Who has a limit of that id in a tenant: nobody, one, or two of them where producers gave it to several users. */
  limitOwners(tenantId: string, userLimitId: string): Promise<readonly UserKey[]>;
  /** A page of the history of each, in their order: the latest first (ties by event), those before the place. */
  limitHistories(pages: readonly LimitHistoryPage[]): Promise<readonly (readonly LimitHistoryEntry[])[]>;

  /** Of the `limit` waiting records that are due the longest, the users who exist, in no order. */
  usersAppeared(now: Date, limit: number): Promise<readonly UserKey[]>;
  /** At most `limit` records that wait for these users, in the order of the log. */
  waitingOf(keys: readonly UserKey[], limit: number): Promise<readonly WaitingForUser[]>;
  /** How many records wait for their users, of all tenants. */
  countWaiting(): Promise<number>;

  /** The earliest moment at which time changes a notification, a limit or what waits for a user; undefined when there is none. */
  nextDue(): Promise<Date | undefined>;

  /**
   * Binds each idempotency key to the digest of the input it came with, which may carry what was answered; per key the digest it is bound to, which is
   * another than the one given when the key was used before with other input.
   */
  bindKeys(
    keys: readonly (KeyIdentity & { readonly digest: string })[],
    now: Date,
  ): Promise<readonly string[]>;
  /** The digest an idempotency key is bound to. */
  boundDigest(key: KeyIdentity): Promise<string | undefined>;

  /**
   * Dead letters, newest first (ties by id, descending), those after the place `after`. Of each payload the first
   * `maxPayloadBytes`; the whole one by default.
   */
  deadLetters(
    page: DeadLetterFilter & {
      readonly first: number;
      readonly maxPayloadBytes?: number;
      readonly after?: { readonly failedAt: Date; readonly id: string };
    },
  ): Promise<readonly StoredDeadLetter[]>;
  countDeadLetters(filter: DeadLetterFilter): Promise<number>;
  /** Its payload is whole. */
  deadLetter(id: string, filter: Pick<DeadLetterFilter, 'tenantIds'>): Promise<StoredDeadLetter | undefined>;

  /** Makes room for page views and other activity of the months in which these moments lie (UTC). Cheap when there is room already. */
  preparePageViews(moments: readonly Date[]): Promise<void>;

  /**
   * Removes what is older than a moment, in statements that hold up nobody; how much that was, partitions and rows
   * together. Partitioned by month are page views and activity: they go when the whole month is older. A dry run counts
   * and removes nothing. A table or a partition that fails holds up no other; `expire` rejects when all were tried.
   */
  expire(kind: Expiring, before: Date, options: { readonly dryRun: boolean }): Promise<number>;

  /** Keeps that a sweep of a kind ended at a moment, and how. */
  noteSweep(kind: SweptKind, at: Date, outcome: { readonly succeeded: boolean }): Promise<void>;
  /** The kinds that were swept by any process, by name. */
  sweeps(): Promise<readonly SweepOutcome[]>;

  /** Of the database, such as `18.4`. Rejects with UNAVAILABLE. */
  version(): Promise<string>;

  /** Whether the database answers; rejects with UNAVAILABLE. */
  ping(): Promise<void>;
  /**
   * What keeps the database from taking writes; undefined when nothing does. By how the last writes ended, and without any of
   * late by asking on a new connection.
   */
  problem(): Promise<string | undefined>;
  /** Whether the database makes a small write durable within a second; rejects when it does not. */
  probe(): Promise<void>;
  close(): Promise<void>;
}

/**
 * What is kept for a time.
 * - `pageViews`: raw page views.
 * - `activity`: other raw activity, and the metrics.
 * - `itemViews`: views of items.
 * - `earlyItemViews`: views of items that were not published when they were viewed, and still are not.
 * - `notifications`: those that were read, or can never count again; and when inboxes were opened.
 * - `changes`: of inboxes, for streams that go back.
 * - `limitHistory`: events of limits, but for those that a limit stands on, and what tells the progress at any that is kept.
 * - `marks`: of events that were applied or counted.
 * - `idempotencyKeys`, `deadLetters`.
 */
export const expiring = [
  'pageViews',
  'activity',
  'itemViews',
  'earlyItemViews',
  'notifications',
  'changes',
  'limitHistory',
  'marks',
  'idempotencyKeys',
  'deadLetters',
] as const;
export type Expiring = (typeof expiring)[number];

/** What a sweep does: removes each kind, prunes the `log`, and prepares the `partitions` of this month and the next. */
export type SweptKind = Expiring | 'log' | 'partitions';

/** How the sweeps of a kind ended. */
export interface SweepOutcome {
  readonly kind: string;
  /** The first try. */
  readonly since: Date;
  /** The last success; null if there was none. */
  readonly succeededAt: Date | null;
}

export interface RecountOptions {
  readonly from: Date;
  readonly to: Date;
  /** Page views that came into the log at or after this and are not marked are still to be counted. */
  readonly pendingSince: Date;
  readonly dryRun: boolean;
  /** Resolves when the projections have kept every page view that was counted. */
  settled(): Promise<void>;
}

/** How buckets differ from a count of the raw rows. */
export interface MetricsDifference {
  /** With another number of users or page views. */
  readonly buckets: number;
  /** In these, per minute, hour and day together. */
  readonly pageViewsCounted: number;
  readonly pageViewsKept: number;
  /** Counts of a type in a bucket. */
  readonly types: number;
  /** Users of buckets who are not there, and who should not be. */
  readonly membersMissing: number;
  readonly membersSurplus: number;
}

export interface PageViewRange {
  readonly from?: Date;
  readonly to?: Date;
}

/** An inbox with its counters, and what these should be. */
export interface Recounted {
  readonly inbox: Inbox;
  readonly counts: Counts;
}

export interface ItemPage {
  readonly first: number;
  readonly after?: { readonly publishedAt: Date; readonly itemId: string };
  /** Whose views are told; absent: nobody's. */
  readonly viewerId?: string;
  /** Only those that count as unseen for that viewer, by a horizon that begins then. */
  readonly unseenFrom?: Date;
}

/** A notification or a limit that time has come for. */
export type DueRow = UserKey & ({ readonly id: string } | { readonly userLimitId: string });

/**
 * The writes. Rows of several users are locked in one order, whatever that of the keys, and users before inboxes: two
 * transactions never wait for each other in a circle.
 */
export interface StoreTransaction {
  /** Marks events as applied; per event whether it is new. Of the same id twice in one call the first is new. */
  claimEvents(events: readonly EventIdentity[], now: Date): Promise<readonly boolean[]>;
  /** Like `Store.bindKeys`, bound when the transaction is kept. */
  bindKeys(
    keys: readonly (KeyIdentity & { readonly digest: string })[],
    now: Date,
  ): Promise<readonly string[]>;
  /** Takes marks of this transaction back. */
  unclaimEvents(events: readonly EventIdentity[]): Promise<void>;

  /** Creates those that do not exist, with defaults. Records that wait for these are due from now on; whether there are any. */
  ensureUsers(keys: readonly UserKey[], now: Date): Promise<boolean>;
  /** Creates or changes, each user at most once in a call; per patch whether it created. Like `ensureUsers` for those. */
  patchUsers(
    patches: readonly (UserKey & { readonly patch: UserPatch })[],
    now: Date,
  ): Promise<readonly boolean[]>;
  users(keys: readonly UserKey[]): Promise<readonly User[]>;
  /** The users that exist, locked until the end of the transaction. */
  lockUsers(keys: readonly UserKey[]): Promise<readonly User[]>;
  categoryChoices(keys: readonly UserKey[]): Promise<readonly (UserKey & CategoryChoice)[]>;
  /** Adds or replaces choices of a user, each category at most once in a call. */
  saveCategoryChoices(user: UserKey, choices: readonly CategoryChoice[], now: Date): Promise<void>;
  /**
   * Removes every row about a user, whether the user exists or not, but for views of items: those `forgetItemViews` removes.
   * Of the log, when it is a table, the records under the user's key lose key and content and keep their place. What stays
   * names nobody: marks of applied events, and keys of others' calls with the digest of what these said. Waits for
   * transactions that write users or inboxes, and they for it: what is applied after it comes to a user who does not exist.
   * Records of the log up to `logUpTo` were looked at before.
   */
  eraseUser(user: UserKey, logUpTo: bigint): Promise<Erasure>;
  /**
   * Removes about `size` rows of a user from one of the tables that have more, with what these count for; when none has, looks
   * at a stretch of the log behind `logUpTo`. What is left of a user with few rows stays for `eraseUser`.
   */
  eraseSome(
    user: UserKey,
    options: { readonly size: number; readonly logUpTo: bigint; readonly now: Date },
  ): Promise<PartialErasure>;

  addPageViews(views: readonly PageView[]): Promise<void>;

  /** Marks activities as counted; per activity whether it is new. Of the same id twice in one call the first is new. */
  claimCounted(activities: readonly Activity[], now: Date): Promise<readonly boolean[]>;
  /**
   * Makes these types known to their tenants, in their order, while a tenant knows fewer than `max`. Returns all types that
   * the tenants know. Transactions that call this run one after the other, so that they agree.
   */
  claimActivityTypes(
    types: readonly ActivityTypeKey[],
    max: number,
    now: Date,
  ): Promise<readonly ActivityTypeKey[]>;
  /**
   * Keeps activity other than page views raw, each at most once in a call. Those of all that are new: what is kept already
   * was counted, before its mark expired.
   */
  keepActivity(activities: readonly Activity[]): Promise<readonly Activity[]>;
  /**
   * Adds activities to the buckets in which they lie, per minute, hour and day, whoever else adds to them; users who were
   * active in a bucket already do not count as unique again.
   */
  addActivity(activities: readonly Activity[], now: Date): Promise<void>;
  /**
   * Compares the buckets of `[from, to)`, whole days of UTC, of all tenants with a count of the raw rows and, unless it is a
   * dry run, makes them that. Nothing is counted until the end of the transaction.
   */
  recountMetrics(options: RecountOptions): Promise<MetricsDifference>;

  /**
   * The inboxes of the users that exist, locked until the end of the transaction, created where missing; in the order of
   * the keys.
   */
  lockInboxes(keys: readonly UserKey[], now: Date): Promise<readonly UserInbox[]>;
  saveInboxes(inboxes: readonly Inbox[]): Promise<void>;
  inboxes(keys: readonly UserKey[]): Promise<readonly Inbox[]>;
  /** Like `Store.recount`, of inboxes that the transaction has locked. */
  recount(keys: readonly UserKey[]): Promise<readonly Recounted[]>;
  addNotifications(notifications: readonly Notification[]): Promise<void>;
  notification(tenantId: string, id: string): Promise<Notification | undefined>;
  /** Writes rows that exist, whole but for who they are. */
  saveNotifications(notifications: readonly Notification[]): Promise<void>;
  removeNotifications(notifications: readonly Notification[]): Promise<void>;
  /**
   * What a batch can touch in locked inboxes: those that visits read, about `maxReadByVisit` of a user at most, the newest
   * about each subject first; and the newest unseen one of each group that is neither among these nor `atHand`.
   */
  reachOf(reach: {
    readonly groups: readonly (UserKey & { readonly groupKey: string })[];
    readonly visits: readonly Visit[];
    readonly atHand?: readonly Notification[];
  }): Promise<readonly Notification[]>;
  /** How many notifications are unseen above a watermark, counted from the rows of a locked inbox. */
  countUnseen(key: UserKey, openedSeq: bigint): Promise<number>;
  /**
   * Applies an action to the delivered notifications in `(afterSeq, upToSeq]` that it changes. UNSNOOZE gives them new places,
   * from `lastSeq` on. Without ids, the stretch must not be longer than `endOfStep` allows.
   */
  markNotifications(inbox: Inbox, marking: Marking, now: Date): Promise<Marked>;
  /** The last place of a step that begins after a place; undefined when all that follows fits into the step. */
  endOfStep(key: UserKey, afterSeq: bigint): Promise<bigint | undefined>;
  /** Which of these ids are of notifications that arrived in the user's inbox. */
  arrivedIds(key: UserKey, ids: readonly string[]): Promise<readonly string[]>;
  /**
   * At most `limit` notifications that time has come for, with the inboxes of their users, locked like `lockInboxes` does.
   * Inboxes that somebody else has locked are left out, so that any number of workers take different ones.
   */
  lockDue(
    now: Date,
    limit: number,
  ): Promise<{ readonly locked: readonly UserInbox[]; readonly due: readonly Notification[] }>;
  /** Has a row that is due come due again then instead; one that is not due any more is left as it is. */
  postpone(row: DueRow, now: Date, until: Date): Promise<void>;
  /** Keeps changes; of an inbox the newest thousand. */
  addChanges(changes: readonly InboxChange[]): Promise<void>;
  /** Notes when the watermark came to stand where it does. */
  addOpening(key: UserKey, upToSeq: bigint, now: Date): Promise<void>;

  /** Creates the collection unless it is there; what counts in it begins at the horizon. */
  ensureCollection(key: CollectionKey, horizon: Horizon): Promise<void>;
  /** The collection, locked until the end of the transaction. */
  lockCollection(key: CollectionKey): Promise<ItemCollection | undefined>;
  /** Saves the version of a locked collection. */
  saveCollection(collection: ItemCollection): Promise<void>;
  /** The items of these that exist, retracted or not, in no order. */
  itemsById(key: CollectionKey, itemIds: readonly string[]): Promise<readonly Item[]>;
  /** Creates or replaces items of a locked collection, each at most once in a call. */
  saveItems(items: readonly Item[]): Promise<void>;
  /**
   * Notes views, each item of a user at most once in a call, and moves the versions of the users for whom that changed
   * something: the first view is kept, until it lies before the horizon and there is a newer one. Of items that are not
   * published, `maxEarlyViews` views of a user are kept. Returns how many were not kept for that reason.
   */
  addItemViews(views: readonly ItemView[], horizon: Horizon): Promise<number>;
  /**
   * Removes every trace of what a user viewed; the collections whose badges moved by that. The user's versions end with
   * them, so those of the collections grow by as much and one more: a badge never goes back, also of a user of the same name.
   */
  forgetItemViews(user: UserKey, now: Date): Promise<readonly string[]>;
  /** Who has a limit of that id, at most two; nobody else takes this lock until the end of the transaction. */
  lockLimitId(tenantId: string, userLimitId: string): Promise<readonly UserKey[]>;
  /** The limits of these keys that are there, in no order. Whoever writes a limit holds its user locked. */
  limits(keys: readonly LimitKey[]): Promise<readonly UserLimit[]>;
  /** Writes limits whole, new or not. */
  saveLimits(limits: readonly UserLimit[]): Promise<void>;
  /** Kept events of the limits up to `upTo`, sorted by limit and place: from the limit `after` on, or behind that event. */
  keptLimitEvents(
    upTo: LimitKey,
    page: { readonly first: number; readonly after: LimitKey & Partial<KeptLimitEvent> },
  ): Promise<readonly KeptLimitEvent[]>;
  /** Keeps events of limits; one that is kept already is left as it is. */
  addLimitEvents(events: readonly LimitRecord[]): Promise<void>;
  /**
   * At most `limit` limits whose status time changes, with their users locked. Users that somebody else has locked are
   * left out, so that any number of workers take different ones.
   */
  lockLimitsDue(now: Date, limit: number): Promise<readonly ZonedLimit[]>;

  /** Those of the users for whom records wait. */
  usersAwaited(keys: readonly UserKey[]): Promise<readonly UserKey[]>;
  /** How many records wait, by tenant; none where there are none. */
  waitingCounts(tenantIds: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** Keeps records that wait for their users; one that is kept already is left as it is. */
  addWaiting(rows: readonly (WaitingForUser & { readonly dueAt: Date })[]): Promise<void>;
  /**
   * Locks the users of these records until the end of the transaction and removes the records; per record whether it was
   * there, its user exists and nobody else had the user locked.
   */
  takeWaiting(rows: readonly WaitingForUser[]): Promise<readonly boolean[]>;
  /** Of the `limit` records that are due the longest, those whose users do not exist, locked unless somebody else has them. */
  lockWaitingInVain(now: Date, limit: number): Promise<readonly WaitingForUser[]>;
  /** Has records come due again later. */
  postponeWaiting(rows: readonly (WaitingForUser & { readonly dueAt: Date })[]): Promise<void>;
  removeWaiting(rows: readonly WaitingForUser[]): Promise<void>;

  /**
   * Keeps records that could not be applied; one that is kept already is left as it is. A copy of each that is new goes to
   * `<topic>.dlq` by the outbox: bytes and key as they came, its headers and topic, partition, offset, error-code,
   * error-message and attempts.
   */
  addDeadLetters(deadLetters: readonly DeadLetter[]): Promise<void>;
  /**
   * Puts dead letters back on their topics, by the outbox, and removes them here; the ids of those that were there. They
   * keep key and headers, and carry in `unseen-origin-topic`, `-partition` and `-offset` where they stood first.
   */
  requeueDeadLetters(
    ids: readonly string[],
    filter: Pick<DeadLetterFilter, 'tenantIds'>,
    now: Date,
  ): Promise<readonly string[]>;
  /** Records for the log, sent after the commit, in this order, at least once. */
  addOutgoing(records: readonly OutgoingRecord[], now: Date): Promise<void>;

  /**
   * The last writes, their statements sent: the commit follows them without waiting for their answers. When one fails,
   * nothing is kept.
   */
  finish(...writes: readonly Promise<void>[]): void;
}

/** Part of what happened to an inbox: places `(after, upTo]` of its arrivals or of its changes. */
export interface Stretch extends UserKey {
  readonly after: bigint;
  readonly upTo: bigint;
}

/** A user looked at a subject. */
export interface Visit extends UserKey {
  readonly subjectId: string;
}

export interface Marking {
  readonly action: NotificationAction;
  /** These, or those that the filter names. */
  readonly which: { readonly ids: readonly string[] } | { readonly filter: NotificationFilter };
  readonly afterSeq: bigint;
  readonly upToSeq: bigint;
}

/** The notifications that a step of marking changed. */
export interface Marked {
  readonly ids: readonly string[];
  /** What the change adds to the counts; negative where fewer count. */
  readonly delta: Counts;
}

/** What came of erasing a part of what there is about a user. */
export interface PartialErasure {
  readonly rows: number;
  /** The offset up to which the log was looked at. */
  readonly logUpTo: bigint;
  /** Whether so little is left that it can go in one transaction. */
  readonly isRestFew: boolean;
}

/** What came of erasing a user. */
export interface Erasure {
  /** Whether there was anything about the user. */
  readonly hadAny: boolean;
  /** Of the badge of nothing that follows: newer than any the user had. undefined when there was no inbox. */
  readonly version: number | undefined;
}

export interface EventIdentity {
  readonly tenantId: string;
  readonly source: string;
  readonly id: string;
}

/** A user and the limits asked for, by id and at most 500. */
export interface LimitedUser {
  readonly user: User;
  readonly limits: readonly ShownLimit[];
}

/** A page of the history of a limit. */
export interface LimitHistoryPage extends LimitKey {
  readonly first: number;
  readonly before?: Pick<LimitRecord, 'sequence' | 'source' | 'eventId'> | undefined;
}

/** An event of a limit, with what it takes to know the progress after it. */
export interface LimitHistoryEntry extends LimitRecord {
  /** What says the progress: the event itself, or the last before it that does; null when none does. */
  readonly said: (Pick<LimitRecord, 'type' | 'raw'> & { readonly progressAfter: Decimal }) | null;
  /** The definition that was in force when progress was said, or without any the last reset before it, as it came. */
  readonly definedBy: string | null;
}

/** An event of a limit as it came, and what names it. */
export type KeptLimitEvent = Pick<LimitRecord, keyof LimitKey | 'sequence' | 'source' | 'eventId' | 'raw'>;

/** What an idempotency key is scoped to. */
export interface KeyIdentity {
  readonly tenantId: string;
  readonly caller: string;
  readonly mutation: string;
  readonly key: string;
}

/** A record of the log that waits for its user to exist. */
export interface WaitingForUser extends UserKey, Wait {
  readonly record: LogRecord;
}

export interface DeadLetter {
  /** Empty when the record did not say. */
  readonly tenantId: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: string | null;
  readonly headers: Readonly<Record<string, string>>;
  /** The record's bytes as they came. */
  readonly payload: Uint8Array;
  readonly errorCode: string;
  readonly errorMessage: string;
  readonly attempts: number;
  readonly failedAt: Date;
}

/** One that is kept, and its name. */
export interface StoredDeadLetter extends DeadLetter {
  /** A uuid. */
  readonly id: string;
  /** Of the whole payload. */
  readonly payloadBytes: number;
}

/** Which dead letters: what is absent is not asked for. */
export interface DeadLetterFilter {
  /** Of these tenants; the empty one are those whose record did not say. */
  readonly tenantIds?: readonly string[];
  readonly topic?: string;
  readonly errorCode?: string;
}

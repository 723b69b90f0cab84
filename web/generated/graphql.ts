/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** The reason why a badge changed. If several changes were combined, this is the reason for the last change. */
export type BadgeCause =
  /** A notification arrived. */
  | 'ARRIVED'
  /** A notification expired. */
  | 'EXPIRED'
  /** Notifications were marked as seen, read, unread, archived or no longer archived. */
  | 'MARKED'
  /** The user opened the inbox on any device. */
  | 'OPENED'
  /** Items were published. */
  | 'PUBLISHED'
  /** A recount found a wrong badge and repaired it. */
  | 'RECONCILED'
  /** A periodic read of the badge found a newer state. Either a push was lost, or items became older than the view horizon, or the user was erased. */
  | 'RESYNCED'
  /** Items were retracted. */
  | 'RETRACTED'
  /** The user snoozed a notification. */
  | 'SNOOZED'
  /** The user viewed items, or visited the subject of notifications. Such a visit marks the notifications as read. */
  | 'VIEWED';

/** A preference for one category. */
export type CategoryPreferenceInput = {
  /** The category, 1 to 64 characters of `A-Z a-z 0-9 _ . : -`. The category need not be in use. */
  readonly category: string;
  /** Whether notifications of this category reach the user. */
  readonly enabled: boolean;
};

/** A limit to create or redefine. */
export type CreateUserLimitInput = {
  /** The start of the limit, after February 1973. Defaults to the start of the existing limit, or to now for a new limit. Before the start, the limit has the status FUTURE. */
  readonly activeFrom?: string | null | undefined;
  /** The end of the limit, in the future and after `activeFrom`. Defaults to no end. */
  readonly activeUntil?: string | null | undefined;
  /** The brand of the limit, 1 to 128 characters. */
  readonly brandId: string;
  /** The currency of the amounts, 1 to 16 characters, e.g. EUR. Defaults to the currency of the existing limit. */
  readonly currencyCode?: string | null | undefined;
  /** Makes a retry safe. A repeated call with the same key has no further effect. */
  readonly idempotencyKey?: string | null | undefined;
  /** The time of the next reset, in the future. Defaults to the end of the period in the user's time zone. */
  readonly nextResetAt?: string | null | undefined;
  /** The period after which the limit resets. UNKNOWN is refused. */
  readonly period: LimitPeriod;
  /** The type of the limit. UNKNOWN is refused. */
  readonly type: LimitType;
  /** The user of the limit. The user must exist. */
  readonly userId: string;
  /** The caller's id of the limit, 1 to 128 characters. Defaults to a new id. If the user already has a limit with this id, the mutation redefines that limit. The old value becomes `previousLimitValue`, and the progress does not change. */
  readonly userLimitId?: string | null | undefined;
  /** The value of the limit, 0 or more. The value of a SESSION limit is in seconds. */
  readonly value: string;
};

/** A time range that includes `from` and excludes `to`. */
export type DateTimeRangeInput = {
  /** The inclusive start. */
  readonly from: string;
  /** The exclusive end. Defaults to no end. */
  readonly to?: string | null | undefined;
};

/** The length of the buckets. */
export type Granularity =
  /** Calendar days of the time zone. A day on which the clocks change has 23 or 25 hours. */
  | 'DAY'
  /** Hours counted from the start of the day. The counts of all hours of a day add up to the counts of the day. */
  | 'HOUR'
  /** Minutes of 60 s. */
  | 'MINUTE';

/** An item to publish. */
export type ItemInput = {
  /** The id, 1 to 128 characters without control characters. */
  readonly itemId: string;
  /** The publication time, at most the retention (183 days by default) in the past and at most 5 minutes in the future. Defaults to now. Ignored if the item is already published. */
  readonly publishedAt?: string | null | undefined;
  /** The title, 1 to 200 characters of plain text. If absent, the title does not change. Null removes the title. */
  readonly title?: string | null | undefined;
};

/** The period after which a limit resets. */
export type LimitPeriod =
  /** A calendar day in the user's time zone. */
  | 'CALENDAR_DAY'
  /** A calendar month in the user's time zone. */
  | 'CALENDAR_MONTH'
  /** A calendar week from Monday to Sunday in the user's time zone. */
  | 'CALENDAR_WEEK'
  /** 24 hours, counted from `activeFrom`. */
  | 'DAY'
  /** The limit never resets by itself. */
  | 'INDEFINITE'
  /** The limit applies to each single use. */
  | 'INSTANCE'
  /** One month, counted from `activeFrom`. Each period ends on the day of the month and at the time of `activeFrom`. In a shorter month, the period ends on the last day. */
  | 'MONTH'
  /** No event contains a value, or this server does not know the value in the event. See `raw` of the events in `history`. */
  | 'UNKNOWN'
  /** 7 × 24 hours, counted from `activeFrom`. */
  | 'WEEK';

/** Whether a limit applies. */
export type LimitStatus =
  /** The limit applies. */
  | 'ACTIVE'
  /** The limit was canceled, or `activeUntil` has passed. */
  | 'CANCELED'
  /** The limit does not apply before `activeFrom`. */
  | 'FUTURE'
  /** A change of the limit takes effect only after the waiting time that the producer requires. */
  | 'IN_COOLDOWN'
  /** No event contains a value, or this server does not know the value in the event. See `raw` of the events in `history`. */
  | 'UNKNOWN';

/** The kind of amount that a limit restricts. */
export type LimitType =
  /** The balance of the user. */
  | 'BALANCE'
  /** The stakes of the user. */
  | 'BET'
  /** The deposits of the user. */
  | 'DEPOSIT'
  /** The losses of the user. */
  | 'LOSS'
  /** The time of the user, in seconds. */
  | 'SESSION'
  /** No event contains a value, or this server does not know the value in the event. See `raw` of the events in `history`. */
  | 'UNKNOWN';

/** A change to notifications that have arrived. `markNotifications` accepts every action except SNOOZE and EXPIRE. */
export type NotificationAction =
  /** Archives the notification and marks it as seen. An archived notification does not count. */
  | 'ARCHIVE'
  /** The notification has expired. An expired notification neither counts nor appears in lists. Only `notificationStream` reports this action. */
  | 'EXPIRE'
  /** Marks the notification as read and seen. */
  | 'READ'
  /** Marks the notification as seen. */
  | 'SEEN'
  /** The notification was snoozed. A snoozed notification neither counts nor appears in lists until it arrives again. Only `notificationStream` reports this action. Use `snoozeNotification` to snooze. */
  | 'SNOOZE'
  /** Moves the notification out of the archive. A notification that was unread when it was archived is unread again. */
  | 'UNARCHIVE'
  /** Marks the notification as unread. The notification stays seen. */
  | 'UNREAD'
  /** Ends the snooze. The notification arrives again at the top of the list, unseen and unread. */
  | 'UNSNOOZE';

/** The content of a notification. */
export type NotificationContentInput = {
  /** The target of a click: an http(s) URL, or a path that starts with a single `/`. At most 2000 characters. */
  readonly actionUrl?: string | null | undefined;
  /** The text, at most 4000 characters of plain text. */
  readonly body?: string | null | undefined;
  /** The category, 1 to 64 characters of `A-Z a-z 0-9 _ . : -`. */
  readonly category?: string;
  /** Data for the client, at most 16 KB. */
  readonly data?: Record<string, unknown> | null | undefined;
  /** From this time on, the notification neither counts nor appears in lists. The time must be after the delivery. If absent, the notification never expires. */
  readonly expiresAt?: string | null | undefined;
  /** The key of the group, 1 to 128 characters. If the user has an unseen notification with the same key, the new notification replaces its content and increases its `groupCount`. The group counts as one notification. */
  readonly groupKey?: string | null | undefined;
  /** The importance for the user. */
  readonly severity?: Severity;
  /** The id of the page or item that the notification is about, 1 to 128 characters. A visit to this page or item marks the newest 1000 notifications about it as read. */
  readonly subjectId?: string | null | undefined;
  /** The title, 1 to 200 characters of plain text. */
  readonly title: string;
};

/** The state of a notification. */
export type NotificationStatus =
  /** The notification was canceled before its delivery. */
  | 'CANCELED'
  /** The notification is in the inbox. */
  | 'DELIVERED'
  /** The `expiresAt` of the notification has passed. The notification neither counts nor appears in lists. */
  | 'EXPIRED'
  /** The notification will be delivered at `scheduledFor`. */
  | 'SCHEDULED'
  /** The user could not receive the notification. A suppressed notification never counts, even if the user opts in later. */
  | 'SUPPRESSED';

/** Items to publish in one collection. */
export type PublishItemsInput = {
  /** The name of the collection, 1 to 64 characters of `A-Z a-z 0-9 _ . -`. If the collection does not exist, the mutation creates it. */
  readonly collection: string;
  /** 1 to 500, without duplicates. */
  readonly items: ReadonlyArray<ItemInput>;
};

/** Items that a user viewed. */
export type RecordItemViewsInput = {
  /** The name of the collection, 1 to 64 characters of `A-Z a-z 0-9 _ . -`. */
  readonly collection: string;
  /** The ids of 1 to 500 items. A view of an unpublished item counts if the item is published within a day. Unseen stores at most 1000 such views per user. */
  readonly itemIds: ReadonlyArray<string>;
  /** The time of the activity, at most the retention (183 days by default) in the past and at most 5 minutes in the future. Defaults to now. */
  readonly occurredAt?: string | null | undefined;
  /** The user to act for. Defaults to the caller. Acting for another user requires a service or admin token. */
  readonly userId?: string | null | undefined;
};

/** A page view or another activity of a user. */
export type RecordPageViewInput = {
  /** The type of the activity, 1 to 128 characters. Defaults to `page_view`. Other types count only in `activityMetrics`. The metrics count up to 200 types per tenant by name (`MAX_ACTIVITY_TYPES`). Further types, and types of more than 64 bytes, count as `other`. */
  readonly activityType?: string;
  /** Makes a retry safe. Repeated calls with the same key count once. */
  readonly idempotencyKey?: string | null | undefined;
  /** The name of the page, 1 to 500 characters. Stats count views per name. */
  readonly name: string;
  /** The time of the activity, at most the retention (183 days by default) in the past and at most 5 minutes in the future. Defaults to now. */
  readonly occurredAt?: string | null | undefined;
  /** The path of the page on the site, 1 to 2000 characters. */
  readonly path?: string | null | undefined;
  /** The id of the item or other subject that the user visited, 1 to 128 characters. */
  readonly subjectId?: string | null | undefined;
  /** The user to act for. Defaults to the caller. Acting for another user requires a service or admin token. */
  readonly userId?: string | null | undefined;
};

/** A notification for one user. */
export type SendNotificationInput = {
  /** The content of the notification. */
  readonly content: NotificationContentInput;
  /** Makes a retry safe. Repeated calls with the same key send once. */
  readonly idempotencyKey?: string | null | undefined;
  /** The delivery time, at most a year in the future. Defaults to now. A time in the past delivers at once. */
  readonly scheduledFor?: string | null | undefined;
  /** The user who receives the notification. The user must exist. Unseen creates a user at the first page view, item view or limit event of the user, and when the user calls `viewer`, `openInbox` or `updatePreferences`. `upsertUsers` and `importUserRange` also create users. */
  readonly userId: string;
};

/** The same notification for many users. */
export type SendNotificationsInput = {
  /** The content for every user. */
  readonly content: NotificationContentInput;
  /** Makes a retry safe. Repeated calls with the same key send once and return the same result, even if users have changed their preferences. */
  readonly idempotencyKey?: string | null | undefined;
  /** The delivery time, at most a year in the future. Defaults to now. A time in the past delivers at once. */
  readonly scheduledFor?: string | null | undefined;
  /** The ids of 1 to 500 users, without duplicates. The users must exist, as in `SendNotificationInput`. */
  readonly userIds: ReadonlyArray<string>;
};

/** The importance for the user. The client decides how to show the importance. */
export type Severity =
  /** The user must not miss the notification. */
  | 'CRITICAL'
  /** The user should read the notification soon. */
  | 'HIGH'
  /** The user may read the notification at any time. */
  | 'LOW'
  /** The usual importance. */
  | 'NORMAL';

/** The time window of the stats. */
export type StatsWindowInput = {
  /** The exclusive end of the window, at most the retention in the past and at most 5 minutes in the future. Defaults to now. */
  readonly asOf?: string | null | undefined;
  /** The number of days, 1 to the retention (183 by default). */
  readonly days?: number;
  /** Whether the window begins at the start of a day. */
  readonly mode?: WindowMode;
  /** The time zone of the days. Defaults to the user's time zone. */
  readonly timeZone?: string | null | undefined;
};

/** Whether an update is the first state or a change. */
export type UpdateKind =
  /** A newer state. Intermediate states may be skipped. */
  | 'CHANGE'
  /** The first update of each badge, with its state at the start of the subscription. Show the badge of a SNAPSHOT even if its version is lower than the version that the client shows. */
  | 'SNAPSHOT';

/** The values to change. An absent field does not change the value. Null restores the default. */
export type UpdatePreferencesInput = {
  /** At most 100 categories, without duplicates. The preferences for other categories do not change. */
  readonly categories?: ReadonlyArray<CategoryPreferenceInput> | null | undefined;
  /** Turns all notifications on or off. Defaults to true. */
  readonly enabled?: boolean | null | undefined;
  /** The time zone of the user's days. Defaults to UTC. */
  readonly timeZone?: string | null | undefined;
  /** The user to act for. Defaults to the caller. Acting for another user requires a service or admin token. */
  readonly userId?: string | null | undefined;
};

/** An amount to add to the progress of a limit. */
export type UpdateUserLimitProgressInput = {
  /** The amount to add to the progress, 0 or more. */
  readonly amount: string;
  /** Makes a retry safe. A repeated call with the same key has no further effect. */
  readonly idempotencyKey?: string | null | undefined;
  /** The id of the limit. If limits of several users have this id, the mutation returns CONFLICT. In that case use `ingestLimitEvents`. */
  readonly userLimitId: string;
};

/** The reason why a mutation refused a change. The other parts of the result are valid. */
export type UserErrorCode =
  /** The notification has reached the inbox and cannot be canceled or moved. */
  | 'ALREADY_DELIVERED'
  /** The object is in a state that does not allow the change. The message says which state. */
  | 'CONFLICT'
  /** The idempotency key was used before with other input. Nothing was changed. */
  | 'IDEMPOTENCY_CONFLICT'
  /** A value is out of bounds. The message says which bounds. */
  | 'INVALID_INPUT'
  /** The time is too far in the future. The message names the maximum. */
  | 'IN_FUTURE'
  /** The object does not exist, or the caller may not see it. */
  | 'NOT_FOUND'
  /** The user has opted out. The message names the preference. */
  | 'OPTED_OUT'
  /** The user or the tenant has reached the daily quota. The message says when to try again. */
  | 'QUOTA_EXCEEDED'
  /** The call has more items than one call may have. Nothing was changed. */
  | 'TOO_MANY_ITEMS'
  /** The time is further in the past than the retention. */
  | 'TOO_OLD'
  /** The tenant has no such user. */
  | 'USER_NOT_FOUND';

/** Selects limits of a user that match every field. */
export type UserLimitFilter = {
  /** Only limits of this brand, 1 to 128 characters. Defaults to all. */
  readonly brandId?: string | null | undefined;
  /** Only limits with these periods, 1 to 20. Defaults to all. */
  readonly periods?: ReadonlyArray<LimitPeriod> | null | undefined;
  /** Only limits that have one of these statuses now, 1 to 20. Defaults to all. */
  readonly statuses?: ReadonlyArray<LimitStatus> | null | undefined;
  /** Only limits of these types, 1 to 20. Defaults to all. */
  readonly types?: ReadonlyArray<LimitType> | null | undefined;
};

/** The start of a window of N days. */
export type WindowMode =
  /** The window begins at the start of a calendar day in the time zone, N-1 days before the day of `asOf`. The last day ends early, at `asOf`. */
  | 'CALENDAR'
  /** The window begins exactly N × 24 hours before `asOf`. */
  | 'ROLLING';

export type BadgeStateFragment = { readonly key: string, readonly unseen: number, readonly version: number, readonly display: string };

export type WatchBadgeSubscriptionVariables = Exact<{ [key: string]: never; }>;


export type WatchBadgeSubscription = { readonly badgeChanged: { readonly kind: UpdateKind, readonly cause: BadgeCause | null, readonly badge: { readonly key: string, readonly unseen: number, readonly version: number, readonly display: string } } };

export type ViewerQueryVariables = Exact<{ [key: string]: never; }>;


export type ViewerQuery = { readonly viewer: { readonly userId: string, readonly badge: { readonly key: string, readonly unseen: number, readonly version: number, readonly display: string } } | null };

export type InboxQueryVariables = Exact<{
  first: number;
}>;


export type InboxQuery = { readonly viewer: { readonly notifications: { readonly edges: ReadonlyArray<{ readonly cursor: string, readonly node: { readonly id: string, readonly severity: Severity, readonly title: string, readonly body: string | null, readonly createdAt: string, readonly seenAt: string | null } }>, readonly badge: { readonly key: string, readonly unseen: number, readonly version: number, readonly display: string } } } | null };

export type OpenInboxMutationVariables = Exact<{
  upTo: string;
}>;


export type OpenInboxMutation = { readonly openInbox: { readonly badge: { readonly key: string, readonly unseen: number, readonly version: number, readonly display: string } | null, readonly userErrors: ReadonlyArray<{ readonly code: UserErrorCode, readonly message: string }> } };

export type SiteStatsQueryVariables = Exact<{ [key: string]: never; }>;


export type SiteStatsQuery = { readonly viewer: { readonly stats: { readonly pageViewCount: number, readonly timeOnSiteSeconds: number, readonly mostViewedPage: { readonly name: string, readonly views: number } | null } } | null };

export type RecordPageViewMutationVariables = Exact<{
  input: RecordPageViewInput;
}>;


export type RecordPageViewMutation = { readonly recordPageView: { readonly eventId: string | null, readonly userErrors: ReadonlyArray<{ readonly code: UserErrorCode, readonly message: string }> } };

export type SendNotificationMutationVariables = Exact<{
  input: SendNotificationInput;
}>;


export type SendNotificationMutation = { readonly sendNotification: { readonly notificationId: string | null, readonly userErrors: ReadonlyArray<{ readonly code: UserErrorCode, readonly message: string }> } };

export type WhoAmIQueryVariables = Exact<{ [key: string]: never; }>;


export type WhoAmIQuery = { readonly viewer: { readonly userId: string, readonly timeZone: string, readonly canReceiveNotifications: boolean, readonly createdAt: string, readonly badge: { readonly unseen: number, readonly unread: number, readonly display: string, readonly version: number, readonly asOf: string } } | null };

export type ViewItemsMutationVariables = Exact<{
  input: RecordItemViewsInput;
}>;


export type ViewItemsMutation = { readonly recordItemViews: { readonly eventId: string | null, readonly userErrors: ReadonlyArray<{ readonly code: UserErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }> } };

export type FollowMyInboxSubscriptionVariables = Exact<{
  after?: string | null | undefined;
}>;


export type FollowMyInboxSubscription = { readonly notificationStream:
    | { readonly cursor: string, readonly notification: { readonly id: string, readonly title: string, readonly groupCount: number, readonly deliveredAt: string | null }, readonly badge: { readonly unseen: number, readonly version: number } }
    | { readonly cursor: string, readonly action: NotificationAction, readonly ids: ReadonlyArray<string>, readonly badge: { readonly unseen: number, readonly version: number } }
    | { readonly reason: string, readonly resumeFrom: string, readonly badge: { readonly unseen: number, readonly version: number } }
   };

export type SendToManyMutationVariables = Exact<{
  input: SendNotificationsInput;
}>;


export type SendToManyMutation = { readonly sendNotifications: { readonly accepted: number, readonly notificationIds: ReadonlyArray<string>, readonly userErrors: ReadonlyArray<{ readonly code: UserErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }> } };

export type SetALimitMutationVariables = Exact<{
  limit: CreateUserLimitInput;
  used: UpdateUserLimitProgressInput;
}>;


export type SetALimitMutation = { readonly createUserLimit: { readonly userLimit: { readonly value: string | null, readonly nextResetAt: string | null } | null, readonly userErrors: ReadonlyArray<{ readonly code: UserErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }> }, readonly updateUserLimitProgress: { readonly userLimit: { readonly progress: string, readonly remaining: string | null, readonly percentUsed: number | null } | null, readonly userErrors: ReadonlyArray<{ readonly code: UserErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }> } };

export type MyLimitsQueryVariables = Exact<{
  filter?: UserLimitFilter | null | undefined;
}>;


export type MyLimitsQuery = { readonly viewer: { readonly limits: ReadonlyArray<{ readonly userLimitId: string, readonly type: LimitType, readonly period: LimitPeriod, readonly status: LimitStatus, readonly currencyCode: string | null, readonly value: string | null, readonly progress: string, readonly remaining: string | null, readonly percentUsed: number | null, readonly nextResetAt: string | null, readonly projectedExhaustionAt: string | null, readonly history: { readonly edges: ReadonlyArray<{ readonly node: { readonly type: string, readonly occurredAt: string, readonly progressAfter: string } }> } }> } | null };

export type TheMetricsOfTheSiteQueryVariables = Exact<{
  range: DateTimeRangeInput;
  granularity: Granularity;
  timeZone?: string | null | undefined;
}>;


export type TheMetricsOfTheSiteQuery = { readonly activityMetrics: ReadonlyArray<{ readonly start: string, readonly uniqueUsers: number, readonly pageViewCount: number, readonly final: boolean, readonly byType: ReadonlyArray<{ readonly activityType: string, readonly count: number }> }> };

export type WatchTheMetricsSubscriptionVariables = Exact<{
  granularity: Granularity;
}>;


export type WatchTheMetricsSubscription = { readonly activityMetricsChanged: { readonly start: string, readonly uniqueUsers: number, readonly pageViewCount: number, readonly final: boolean } };

export type WatchTheBadgeSubscriptionVariables = Exact<{
  keys?: ReadonlyArray<string> | string | null | undefined;
}>;


export type WatchTheBadgeSubscription = { readonly badgeChanged: { readonly kind: UpdateKind, readonly cause: BadgeCause | null, readonly badge: { readonly key: string, readonly unseen: number, readonly display: string, readonly version: number } } };

export type RecordAPageViewMutationVariables = Exact<{
  input: RecordPageViewInput;
}>;


export type RecordAPageViewMutation = { readonly recordPageView: { readonly eventId: string | null, readonly userErrors: ReadonlyArray<{ readonly code: UserErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }> } };

export type SendANotificationMutationVariables = Exact<{
  input: SendNotificationInput;
}>;


export type SendANotificationMutation = { readonly sendNotification: { readonly notificationId: string | null, readonly userErrors: ReadonlyArray<{ readonly code: UserErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }> } };

export type MyInboxQueryVariables = Exact<{
  first: number;
}>;


export type MyInboxQuery = { readonly viewer: { readonly notifications: { readonly totalCount: number, readonly edges: ReadonlyArray<{ readonly cursor: string, readonly node: { readonly id: string, readonly category: string, readonly severity: Severity, readonly title: string, readonly body: string | null, readonly status: NotificationStatus, readonly createdAt: string, readonly seenAt: string | null } }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null }, readonly badge: { readonly unseen: number, readonly version: number } } } | null };

export type OpenTheInboxMutationVariables = Exact<{
  upTo?: string | null | undefined;
}>;


export type OpenTheInboxMutation = { readonly openInbox: { readonly badge: { readonly unseen: number, readonly unread: number, readonly version: number } | null, readonly userErrors: ReadonlyArray<{ readonly code: UserErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }> } };

export type StatsQueryVariables = Exact<{
  window?: StatsWindowInput | null | undefined;
  top: number;
}>;


export type StatsQuery = { readonly viewer: { readonly stats: { readonly windowStart: string, readonly windowEnd: string, readonly timeZone: string, readonly pageViewCount: number, readonly uniquePageCount: number, readonly timeOnSiteSeconds: number, readonly sessionCount: number, readonly activeDayCount: number, readonly mostViewedPage: { readonly name: string, readonly views: number } | null, readonly topPages: ReadonlyArray<{ readonly name: string, readonly views: number, readonly lastViewedAt: string }>, readonly byDay: ReadonlyArray<{ readonly date: string, readonly pageViewCount: number, readonly timeOnSiteSeconds: number }> } } | null };

export type MyPreferencesMutationVariables = Exact<{
  input: UpdatePreferencesInput;
}>;


export type MyPreferencesMutation = { readonly updatePreferences: { readonly preferences: { readonly enabled: boolean, readonly categories: ReadonlyArray<{ readonly category: string, readonly enabled: boolean, readonly locked: boolean }> } | null, readonly userErrors: ReadonlyArray<{ readonly code: UserErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }> } };

export type PublishAnItemMutationVariables = Exact<{
  input: PublishItemsInput;
}>;


export type PublishAnItemMutation = { readonly publishItems: { readonly items: ReadonlyArray<{ readonly id: string, readonly itemId: string, readonly title: string | null, readonly publishedAt: string }>, readonly userErrors: ReadonlyArray<{ readonly code: UserErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }> } };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}
export const BadgeStateFragmentDoc = /*#__PURE__*/ new TypedDocumentString(`
    fragment BadgeState on Badge {
  key
  unseen
  version
  display(max: 99)
}
    `, {"fragmentName":"BadgeState"}) as unknown as TypedDocumentString<BadgeStateFragment, unknown>;
export const WatchBadgeDocument = /*#__PURE__*/ new TypedDocumentString(`
    subscription WatchBadge {
  badgeChanged(keys: ["notifications"]) {
    kind
    cause
    badge {
      ...BadgeState
    }
  }
}
    fragment BadgeState on Badge {
  key
  unseen
  version
  display(max: 99)
}`) as unknown as TypedDocumentString<WatchBadgeSubscription, WatchBadgeSubscriptionVariables>;
export const ViewerDocument = /*#__PURE__*/ new TypedDocumentString(`
    query Viewer {
  viewer {
    userId
    badge {
      ...BadgeState
    }
  }
}
    fragment BadgeState on Badge {
  key
  unseen
  version
  display(max: 99)
}`) as unknown as TypedDocumentString<ViewerQuery, ViewerQueryVariables>;
export const InboxDocument = /*#__PURE__*/ new TypedDocumentString(`
    query Inbox($first: Int!) {
  viewer {
    notifications(first: $first) {
      edges {
        cursor
        node {
          id
          severity
          title
          body
          createdAt
          seenAt
        }
      }
      badge {
        ...BadgeState
      }
    }
  }
}
    fragment BadgeState on Badge {
  key
  unseen
  version
  display(max: 99)
}`) as unknown as TypedDocumentString<InboxQuery, InboxQueryVariables>;
export const OpenInboxDocument = /*#__PURE__*/ new TypedDocumentString(`
    mutation OpenInbox($upTo: String!) {
  openInbox(input: {upTo: $upTo}) {
    badge {
      ...BadgeState
    }
    userErrors {
      code
      message
    }
  }
}
    fragment BadgeState on Badge {
  key
  unseen
  version
  display(max: 99)
}`) as unknown as TypedDocumentString<OpenInboxMutation, OpenInboxMutationVariables>;
export const SiteStatsDocument = /*#__PURE__*/ new TypedDocumentString(`
    query SiteStats {
  viewer {
    stats {
      pageViewCount
      timeOnSiteSeconds
      mostViewedPage {
        name
        views
      }
    }
  }
}
    `) as unknown as TypedDocumentString<SiteStatsQuery, SiteStatsQueryVariables>;
export const RecordPageViewDocument = /*#__PURE__*/ new TypedDocumentString(`
    mutation RecordPageView($input: RecordPageViewInput!) {
  recordPageView(input: $input) {
    eventId
    userErrors {
      code
      message
    }
  }
}
    `) as unknown as TypedDocumentString<RecordPageViewMutation, RecordPageViewMutationVariables>;
export const SendNotificationDocument = /*#__PURE__*/ new TypedDocumentString(`
    mutation SendNotification($input: SendNotificationInput!) {
  sendNotification(input: $input) {
    notificationId
    userErrors {
      code
      message
    }
  }
}
    `) as unknown as TypedDocumentString<SendNotificationMutation, SendNotificationMutationVariables>;
export const WhoAmIDocument = /*#__PURE__*/ new TypedDocumentString(`
    query WhoAmI {
  viewer {
    userId
    timeZone
    canReceiveNotifications
    createdAt
    badge {
      unseen
      unread
      display(max: 99)
      version
      asOf
    }
  }
}
    `) as unknown as TypedDocumentString<WhoAmIQuery, WhoAmIQueryVariables>;
export const ViewItemsDocument = /*#__PURE__*/ new TypedDocumentString(`
    mutation ViewItems($input: RecordItemViewsInput!) {
  recordItemViews(input: $input) {
    eventId
    userErrors {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<ViewItemsMutation, ViewItemsMutationVariables>;
export const FollowMyInboxDocument = /*#__PURE__*/ new TypedDocumentString(`
    subscription FollowMyInbox($after: String) {
  notificationStream(after: $after) {
    ... on NotificationAdded {
      cursor
      notification {
        id
        title
        groupCount
        deliveredAt
      }
      badge {
        unseen
        version
      }
    }
    ... on NotificationsChanged {
      cursor
      action
      ids
      badge {
        unseen
        version
      }
    }
    ... on StreamReset {
      reason
      resumeFrom
      badge {
        unseen
        version
      }
    }
  }
}
    `) as unknown as TypedDocumentString<FollowMyInboxSubscription, FollowMyInboxSubscriptionVariables>;
export const SendToManyDocument = /*#__PURE__*/ new TypedDocumentString(`
    mutation SendToMany($input: SendNotificationsInput!) {
  sendNotifications(input: $input) {
    accepted
    notificationIds
    userErrors {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<SendToManyMutation, SendToManyMutationVariables>;
export const SetALimitDocument = /*#__PURE__*/ new TypedDocumentString(`
    mutation SetALimit($limit: CreateUserLimitInput!, $used: UpdateUserLimitProgressInput!) {
  createUserLimit(input: $limit) {
    userLimit {
      value
      nextResetAt
    }
    userErrors {
      code
      message
      path
    }
  }
  updateUserLimitProgress(input: $used) {
    userLimit {
      progress
      remaining
      percentUsed
    }
    userErrors {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<SetALimitMutation, SetALimitMutationVariables>;
export const MyLimitsDocument = /*#__PURE__*/ new TypedDocumentString(`
    query MyLimits($filter: UserLimitFilter) {
  viewer {
    limits(filter: $filter) {
      userLimitId
      type
      period
      status
      currencyCode
      value
      progress
      remaining
      percentUsed
      nextResetAt
      projectedExhaustionAt
      history(first: 3) {
        edges {
          node {
            type
            occurredAt
            progressAfter
          }
        }
      }
    }
  }
}
    `) as unknown as TypedDocumentString<MyLimitsQuery, MyLimitsQueryVariables>;
export const TheMetricsOfTheSiteDocument = /*#__PURE__*/ new TypedDocumentString(`
    query TheMetricsOfTheSite($range: DateTimeRangeInput!, $granularity: Granularity!, $timeZone: TimeZone) {
  activityMetrics(range: $range, granularity: $granularity, timeZone: $timeZone) {
    start
    uniqueUsers
    pageViewCount
    byType {
      activityType
      count
    }
    final
  }
}
    `) as unknown as TypedDocumentString<TheMetricsOfTheSiteQuery, TheMetricsOfTheSiteQueryVariables>;
export const WatchTheMetricsDocument = /*#__PURE__*/ new TypedDocumentString(`
    subscription WatchTheMetrics($granularity: Granularity!) {
  activityMetricsChanged(granularity: $granularity) {
    start
    uniqueUsers
    pageViewCount
    final
  }
}
    `) as unknown as TypedDocumentString<WatchTheMetricsSubscription, WatchTheMetricsSubscriptionVariables>;
export const WatchTheBadgeDocument = /*#__PURE__*/ new TypedDocumentString(`
    subscription WatchTheBadge($keys: [String!]) {
  badgeChanged(keys: $keys) {
    kind
    cause
    badge {
      key
      unseen
      display(max: 99)
      version
    }
  }
}
    `) as unknown as TypedDocumentString<WatchTheBadgeSubscription, WatchTheBadgeSubscriptionVariables>;
export const RecordAPageViewDocument = /*#__PURE__*/ new TypedDocumentString(`
    mutation RecordAPageView($input: RecordPageViewInput!) {
  recordPageView(input: $input) {
    eventId
    userErrors {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<RecordAPageViewMutation, RecordAPageViewMutationVariables>;
export const SendANotificationDocument = /*#__PURE__*/ new TypedDocumentString(`
    mutation SendANotification($input: SendNotificationInput!) {
  sendNotification(input: $input) {
    notificationId
    userErrors {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<SendANotificationMutation, SendANotificationMutationVariables>;
export const MyInboxDocument = /*#__PURE__*/ new TypedDocumentString(`
    query MyInbox($first: Int!) {
  viewer {
    notifications(first: $first) {
      edges {
        cursor
        node {
          id
          category
          severity
          title
          body
          status
          createdAt
          seenAt
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
      totalCount
      badge {
        unseen
        version
      }
    }
  }
}
    `) as unknown as TypedDocumentString<MyInboxQuery, MyInboxQueryVariables>;
export const OpenTheInboxDocument = /*#__PURE__*/ new TypedDocumentString(`
    mutation OpenTheInbox($upTo: String) {
  openInbox(input: {upTo: $upTo}) {
    badge {
      unseen
      unread
      version
    }
    userErrors {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<OpenTheInboxMutation, OpenTheInboxMutationVariables>;
export const StatsDocument = /*#__PURE__*/ new TypedDocumentString(`
    query Stats($window: StatsWindowInput, $top: Int!) {
  viewer {
    stats(window: $window) {
      windowStart
      windowEnd
      timeZone
      pageViewCount
      uniquePageCount
      timeOnSiteSeconds
      sessionCount
      activeDayCount
      mostViewedPage {
        name
        views
      }
      topPages(first: $top) {
        name
        views
        lastViewedAt
      }
      byDay {
        date
        pageViewCount
        timeOnSiteSeconds
      }
    }
  }
}
    `) as unknown as TypedDocumentString<StatsQuery, StatsQueryVariables>;
export const MyPreferencesDocument = /*#__PURE__*/ new TypedDocumentString(`
    mutation MyPreferences($input: UpdatePreferencesInput!) {
  updatePreferences(input: $input) {
    preferences {
      enabled
      categories {
        category
        enabled
        locked
      }
    }
    userErrors {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<MyPreferencesMutation, MyPreferencesMutationVariables>;
export const PublishAnItemDocument = /*#__PURE__*/ new TypedDocumentString(`
    mutation PublishAnItem($input: PublishItemsInput!) {
  publishItems(input: $input) {
    items {
      id
      itemId
      title
      publishedAt
    }
    userErrors {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<PublishAnItemMutation, PublishAnItemMutationVariables>;
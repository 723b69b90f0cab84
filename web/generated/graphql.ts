/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** What made a badge change; of several changes at once, the last. */
export type BadgeCause =
  /** A notification arrived. */
  | 'ARRIVED'
  /** The time of a notification was over. */
  | 'EXPIRED'
  /** The user marked notifications: seen, read, archived or the reverse. */
  | 'MARKED'
  /** The user opened the inbox, here or elsewhere. */
  | 'OPENED'
  /** Items were published. */
  | 'PUBLISHED'
  /** A recount found the badge to be off, and repaired it. */
  | 'RECONCILED'
  /** A re-read found a newer state: a push was lost, or items have left the view horizon. Or the user was erased, and with them all that counted. */
  | 'RESYNCED'
  /** Items were retracted. */
  | 'RETRACTED'
  /** The user put a notification off. */
  | 'SNOOZED'
  /** The user viewed items, or visited what notifications are about, which read them. */
  | 'VIEWED';

/** A choice about a category. */
export type CategoryPreferenceInput = {
  /** 1 to 64 of `A-Z a-z 0-9 _ . : -`, whether or not anything was sent in it. */
  readonly category: string;
  /** Whether its notifications are to reach the user. */
  readonly enabled: boolean;
};

/** A limit to define. */
export type CreateUserLimitInput = {
  /** After February 1973. Default: as it was, or now. Ahead: it is FUTURE until then. */
  readonly activeFrom?: string | null | undefined;
  /** Ahead, and behind activeFrom. Default: it does not end. */
  readonly activeUntil?: string | null | undefined;
  /** 1 to 128 characters. */
  readonly brandId: string;
  /** Of the amounts, 1 to 16 characters, e.g. EUR. Default: as it was. */
  readonly currencyCode?: string | null | undefined;
  /** Makes a retry safe: the same key is done once. */
  readonly idempotencyKey?: string | null | undefined;
  /** Ahead. Default: by the period, in the user's time zone. */
  readonly nextResetAt?: string | null | undefined;
  /** How long it goes on before it starts anew; not UNKNOWN. */
  readonly period: LimitPeriod;
  /** What it limits; not UNKNOWN. */
  readonly type: LimitType;
  /** Whose it is; must exist. */
  readonly userId: string;
  /** The caller's own name for it, 1 to 128 characters; absent: one is made. A limit of the user that has it is defined anew: its value becomes `previousLimitValue`, its progress stays. */
  readonly userLimitId?: string | null | undefined;
  /** How much may be used, 0 or more; seconds for SESSION. */
  readonly value: string;
};

/** A stretch of time, `[from, to)`. */
export type DateTimeRangeInput = {
  /** Included. */
  readonly from: string;
  /** Not included. Default: no end. */
  readonly to?: string | null | undefined;
};

/** How long buckets are. */
export type Granularity =
  /** Calendar days of the time zone: 23 or 25 hours long when clocks change. */
  | 'DAY'
  /** Counted from the start of the day, so that the hours of a day add up to it. */
  | 'HOUR'
  /** 60 s. */
  | 'MINUTE';

/** An item to publish. */
export type ItemInput = {
  /** 1 to 128 characters, no control characters. */
  readonly itemId: string;
  /** From the retention (183 days by default) ago to 5 minutes ahead. Default: now. Ignored when it is published already. */
  readonly publishedAt?: string | null | undefined;
  /** 1 to 200 characters of plain text. Absent keeps the title it has, null clears it. */
  readonly title?: string | null | undefined;
};

/** How long a limit goes on before it starts anew. */
export type LimitPeriod =
  /** Until midnight in the user's time zone. */
  | 'CALENDAR_DAY'
  /** Until the midnight before the 1st in the user's time zone. */
  | 'CALENDAR_MONTH'
  /** Until the midnight before Monday in the user's time zone. */
  | 'CALENDAR_WEEK'
  /** 24 hours, counted from `activeFrom`. */
  | 'DAY'
  /** It never starts anew by itself. */
  | 'INDEFINITE'
  /** It holds for each single time. */
  | 'INSTANCE'
  /** Until the same day and hour of the next month as `activeFrom`, or its last day. */
  | 'MONTH'
  /** Not said yet, or something this server does not know; see the raw events. */
  | 'UNKNOWN'
  /** 7 × 24 hours, counted from `activeFrom`. */
  | 'WEEK';

/** Whether a limit holds. */
export type LimitStatus =
  /** It holds. */
  | 'ACTIVE'
  /** It was canceled, or `activeUntil` has passed. */
  | 'CANCELED'
  /** It holds from `activeFrom` on. */
  | 'FUTURE'
  /** A change of it is waiting for the time its producer asks for. */
  | 'IN_COOLDOWN'
  /** Not said yet, or something this server does not know; see the raw events. */
  | 'UNKNOWN';

/** What a limit limits. */
export type LimitType =
  /** What the user may have. */
  | 'BALANCE'
  /** What the user may stake. */
  | 'BET'
  /** What the user may pay in. */
  | 'DEPOSIT'
  /** What the user may lose. */
  | 'LOSS'
  /** How long the user may stay, in seconds. */
  | 'SESSION'
  /** Not said yet, or something this server does not know; see the raw events. */
  | 'UNKNOWN';

/** What happens to notifications that have arrived. All but SNOOZE and EXPIRE are for markNotifications. */
export type NotificationAction =
  /** It is put away, and seen; it counts as nothing. */
  | 'ARCHIVE'
  /** Its `expiresAt` has passed: it neither counts nor is listed. Told by notificationStream; nobody can do it. */
  | 'EXPIRE'
  /** It counts as neither unread nor unseen. */
  | 'READ'
  /** It no longer counts as unseen. */
  | 'SEEN'
  /** It is put off: it counts as nothing and is not listed until it arrives again. Told by notificationStream; done by snoozeNotification. */
  | 'SNOOZE'
  /** It is listed again; unread when it was. */
  | 'UNARCHIVE'
  /** It counts as unread again; it stays seen. */
  | 'UNREAD'
  /** It arrives again now: at the newest place, unseen and unread. */
  | 'UNSNOOZE';

/** What a notification says. */
export type NotificationContentInput = {
  /** Where a click leads: an http(s) URL or a path that starts with a single `/`, at most 2000 characters. */
  readonly actionUrl?: string | null | undefined;
  /** At most 4000 characters of plain text. */
  readonly body?: string | null | undefined;
  /** 1 to 64 of `A-Z a-z 0-9 _ . : -`. */
  readonly category?: string;
  /** Anything the client needs, at most 16 KB. */
  readonly data?: Record<string, unknown> | null | undefined;
  /** From then on it neither counts nor is listed; later than the moment it comes. Default: never. */
  readonly expiresAt?: string | null | undefined;
  /** 1 to 128 characters. Joins the unseen notification of the same user and group: its content replaces the older, `groupCount` grows, it counts once. */
  readonly groupKey?: string | null | undefined;
  /** How much it matters. */
  readonly severity?: Severity;
  /** The page or item this is about, 1 to 128 characters: visiting it marks the notification read, of more than 1000 about it the newest. */
  readonly subjectId?: string | null | undefined;
  /** 1 to 200 characters of plain text. */
  readonly title: string;
};

/** How far a notification came. */
export type NotificationStatus =
  /** It was taken back before it came. */
  | 'CANCELED'
  /** It is in the inbox. */
  | 'DELIVERED'
  /** Its `expiresAt` has passed: it neither counts nor is listed. */
  | 'EXPIRED'
  /** It is still to come, at `scheduledFor`. */
  | 'SCHEDULED'
  /** The user could not receive it. It never counts, also not after opting in. */
  | 'SUPPRESSED';

/** Items to publish in one collection. */
export type PublishItemsInput = {
  /** 1 to 64 of `A-Z a-z 0-9 _ . -`. Created if missing. */
  readonly collection: string;
  /** 1 to 500, each item once. */
  readonly items: ReadonlyArray<ItemInput>;
};

/** Items a user viewed. */
export type RecordItemViewsInput = {
  /** 1 to 64 of `A-Z a-z 0-9 _ . -`. */
  readonly collection: string;
  /** 1 to 500. An item that is not published yet counts as viewed when it is published within a day. At most 1000 such views of a user are kept. */
  readonly itemIds: ReadonlyArray<string>;
  /** When it happened, from the retention (183 days by default) ago to 5 minutes ahead. Default: now. */
  readonly occurredAt?: string | null | undefined;
  /** Default: the caller. Another needs a service or admin token. */
  readonly userId?: string | null | undefined;
};

/** A page a user looked at, or something else they did. */
export type RecordPageViewInput = {
  /** What the user did, 1 to 128 characters. Another than `page_view` counts in `activityMetrics` and nowhere else. A tenant counts 200 types by name (`MAX_ACTIVITY_TYPES`), of at most 64 bytes; further types count as `other`. */
  readonly activityType?: string;
  /** Makes a retry safe: the same key counts once. */
  readonly idempotencyKey?: string | null | undefined;
  /** What people call the page, 1 to 500 characters. */
  readonly name: string;
  /** When it happened, from the retention (183 days by default) ago to 5 minutes ahead. Default: now. */
  readonly occurredAt?: string | null | undefined;
  /** Where it is on the site, 1 to 2000 characters. */
  readonly path?: string | null | undefined;
  /** The item or subject that was visited, 1 to 128 characters. */
  readonly subjectId?: string | null | undefined;
  /** Default: the caller. Another needs a service or admin token. */
  readonly userId?: string | null | undefined;
};

/** A notification for one user. */
export type SendNotificationInput = {
  /** What it says. */
  readonly content: NotificationContentInput;
  /** Makes a retry safe: the same key sends once. */
  readonly idempotencyKey?: string | null | undefined;
  /** When it comes, at most a year ahead; absent or past: at once. */
  readonly scheduledFor?: string | null | undefined;
  /** Must exist: users come into being with their first page view, item view or event of a limit, when a token of their own asks for `viewer`, `openInbox` or `updatePreferences`, and by `upsertUsers` and `importUserRange`. */
  readonly userId: string;
};

/** The same notification for many users. */
export type SendNotificationsInput = {
  /** What it says, to each of them. */
  readonly content: NotificationContentInput;
  /** Makes a retry safe: the same key sends once, and has the same answer whatever the users have chosen meanwhile. */
  readonly idempotencyKey?: string | null | undefined;
  /** When it comes, at most a year ahead; absent or past: at once. */
  readonly scheduledFor?: string | null | undefined;
  /** 1 to 500, each user once. They must exist, as in `SendNotificationInput`. */
  readonly userIds: ReadonlyArray<string>;
};

/** How much it matters to the user; for the client to show. */
export type Severity =
  /** Must not be missed. */
  | 'CRITICAL'
  /** Should be read soon. */
  | 'HIGH'
  /** Good to know. */
  | 'LOW'
  /** The usual. */
  | 'NORMAL';

/** Which stretch of time stats are about. */
export type StatsWindowInput = {
  /** Where the window ends, not included: from the retention ago to 5 minutes ahead. Default: now. */
  readonly asOf?: string | null | undefined;
  /** 1 to the retention (183 by default). */
  readonly days?: number;
  /** Where the window begins. */
  readonly mode?: WindowMode;
  /** Where days begin. Default: the user's own. */
  readonly timeZone?: string | null | undefined;
};

/** Whether an update is where watching began or what changed since. */
export type UpdateKind =
  /** A newer state. States in between may have been skipped. */
  | 'CHANGE'
  /** The first update per badge: the true count when watching began. Show it whatever was shown before. */
  | 'SNAPSHOT';

/** What to change: an absent field keeps its value, null goes back to the default. */
export type UpdatePreferencesInput = {
  /** At most 100, each once; categories not named keep what was chosen. */
  readonly categories?: ReadonlyArray<CategoryPreferenceInput> | null | undefined;
  /** On or off for everything. Default: true. */
  readonly enabled?: boolean | null | undefined;
  /** Where the user's days begin. Default: UTC. */
  readonly timeZone?: string | null | undefined;
  /** Default: the caller. Another needs a service or admin token. */
  readonly userId?: string | null | undefined;
};

/** What was used of a limit. */
export type UpdateUserLimitProgressInput = {
  /** On top of what is used, 0 or more. */
  readonly amount: string;
  /** Makes a retry safe: the same key is done once. */
  readonly idempotencyKey?: string | null | undefined;
  /** The limit. CONFLICT where producers gave several users one of that id: send what happens to it by `ingestLimitEvents`. */
  readonly userLimitId: string;
};

/** Why a mutation did not do what was asked. The rest of the answer stands. */
export type UserErrorCode =
  /** It has reached the inbox and cannot be taken back or moved. */
  | 'ALREADY_DELIVERED'
  /** It is in a state in which this cannot be done; the message says which. */
  | 'CONFLICT'
  /** The idempotency key was used before with other input. Nothing was changed. */
  | 'IDEMPOTENCY_CONFLICT'
  /** A value is out of bounds; the message says which bounds. */
  | 'INVALID_INPUT'
  /** The moment lies further ahead than is taken; the message says how far. */
  | 'IN_FUTURE'
  /** There is no such thing, or it is not visible to the caller. */
  | 'NOT_FOUND'
  /** The user chose not to receive this; the message says what they chose. */
  | 'OPTED_OUT'
  /** The user or the tenant has recorded as much as a day allows; the message says when to try again. */
  | 'QUOTA_EXCEEDED'
  /** More items than one call takes. Nothing was changed. */
  | 'TOO_MANY_ITEMS'
  /** The moment lies before the retention. */
  | 'TOO_OLD'
  /** There is no such user in the tenant. */
  | 'USER_NOT_FOUND';

/** Which limits of a user: those for which all of it is true. */
export type UserLimitFilter = {
  /** Only of this brand, 1 to 128 characters. Default: all. */
  readonly brandId?: string | null | undefined;
  /** Only with these periods, 1 to 20. Default: all. */
  readonly periods?: ReadonlyArray<LimitPeriod> | null | undefined;
  /** Only with these statuses now, 1 to 20. Default: all. */
  readonly statuses?: ReadonlyArray<LimitStatus> | null | undefined;
  /** Only of these types, 1 to 20. Default: all. */
  readonly types?: ReadonlyArray<LimitType> | null | undefined;
};

/** Where a window of N days begins. */
export type WindowMode =
  /** At the start of the calendar day N-1 days back, in the time zone: today is the last day, still running. */
  | 'CALENDAR'
  /** Exactly N × 24 hours back. */
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
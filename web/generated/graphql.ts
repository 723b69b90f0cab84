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
  /** A re-read found a newer state: a push was lost. Or the user was erased, and with them all that counted. */
  | 'RESYNCED'
  /** The user put a notification off. */
  | 'SNOOZED'
  /** The user visited what notifications are about, which read them. */
  | 'VIEWED';

/** A choice about a category. */
export type CategoryPreferenceInput = {
  /** 1 to 64 of `A-Z a-z 0-9 _ . : -`, whether or not anything was sent in it. */
  readonly category: string;
  /** Whether its notifications are to reach the user. */
  readonly enabled: boolean;
};

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
  /** The page or item this is about, 1 to 128 characters: visiting it marks the notification read. */
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

/** A page a user looked at, or something else they did. */
export type RecordPageViewInput = {
  /** What the user did, 1 to 128 characters. Another than `page_view` counts in `activityMetrics` and nowhere else. */
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
  /** Must exist: users come into being with their first page view or `upsertUsers`. */
  readonly userId: string;
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
  /** More items than one call takes. Nothing was changed. */
  | 'TOO_MANY_ITEMS'
  /** The moment lies before the retention. */
  | 'TOO_OLD'
  /** There is no such user in the tenant. */
  | 'USER_NOT_FOUND';

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
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
export type BadgeCause =
  | 'ARRIVED'
  | 'EXPIRED'
  | 'MARKED'
  | 'OPENED'
  | 'PREFERENCE'
  | 'PUBLISHED'
  | 'RECONCILED'
  | 'RESYNCED'
  | 'RETRACTED'
  | 'SNOOZED'
  | 'VIEWED';

export type NotificationContentInput = {
  readonly actionUrl?: string | null | undefined;
  readonly body?: string | null | undefined;
  readonly category?: string;
  readonly data?: Record<string, unknown> | null | undefined;
  readonly expiresAt?: string | null | undefined;
  readonly groupKey?: string | null | undefined;
  readonly severity?: Severity;
  readonly subjectId?: string | null | undefined;
  readonly title: string;
};

export type NotificationStatus =
  | 'CANCELED'
  | 'DELIVERED'
  | 'EXPIRED'
  | 'SCHEDULED'
  | 'SUPPRESSED';

export type RecordPageViewInput = {
  readonly activityType?: string;
  readonly idempotencyKey?: string | null | undefined;
  readonly name: string;
  readonly occurredAt?: string | null | undefined;
  readonly path?: string | null | undefined;
  readonly subjectId?: string | null | undefined;
  readonly userId?: string | null | undefined;
};

/** scheduledFor later than now schedules; absent or past delivers at once. */
export type SendNotificationInput = {
  readonly content: NotificationContentInput;
  readonly idempotencyKey?: string | null | undefined;
  readonly scheduledFor?: string | null | undefined;
  readonly userId: string;
};

export type Severity =
  | 'CRITICAL'
  | 'HIGH'
  | 'LOW'
  | 'NORMAL';

export type StatsWindowInput = {
  readonly asOf?: string | null | undefined;
  readonly days?: number;
  readonly mode?: WindowMode;
  readonly timeZone?: string | null | undefined;
};

export type UpdateKind =
  | 'CHANGE'
  | 'SNAPSHOT';

export type UserErrorCode =
  | 'ALREADY_DELIVERED'
  | 'CONFLICT'
  | 'IDEMPOTENCY_CONFLICT'
  | 'INVALID_INPUT'
  | 'IN_FUTURE'
  | 'NOT_FOUND'
  | 'OPTED_OUT'
  | 'TOO_MANY_ITEMS'
  | 'TOO_OLD'
  | 'USER_NOT_FOUND';

export type WindowMode =
  | 'CALENDAR'
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
import type { Envelope } from './envelope.ts';
import type { Severity } from './notification.ts';

/**
 * A notification was delivered, for those who carry it on by e-mail, SMS or push. Its id is the id that the notification
 * was sent with. Times are RFC 3339, UTC.
 */
export type NotificationCreated = Envelope<
  'notificationCreated',
  {
    readonly notification: {
      /** Of the row in the inbox: that of the group when it joined one, whose content this replaced. */
      readonly id: string;
      readonly category: string;
      readonly severity: Severity;
      readonly title: string;
      readonly body: string | null;
      readonly data: Readonly<Record<string, unknown>> | null;
      readonly actionUrl: string | null;
      readonly subjectId: string | null;
      readonly groupKey: string | null;
      /** More than 1: it replaces what was told before under this `id`. */
      readonly groupCount: number;
      readonly createdAt: Date;
      readonly deliveredAt: Date | null;
      /** Not to be carried on from then. */
      readonly expiresAt: Date | null;
    };
    /** As of the delivery. */
    readonly user: {
      readonly id: string;
      /** IANA name. */
      readonly timeZone: string;
      readonly preferences: {
        /** False: it came although the user wants nothing, being critical. */
        readonly enabled: boolean;
        readonly disabledCategories: readonly string[];
      };
    };
    /** After the delivery, for the icon of an app: of two the one with the higher version is newer. */
    readonly badge: { readonly unseen: number; readonly unread: number; readonly version: number };
  }
>;

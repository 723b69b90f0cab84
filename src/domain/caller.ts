/** A user accesses their own data. A service acts for every user of the tenant. An admin also runs operations. */
export const roles = ['user', 'service', 'admin'] as const;
export type Role = (typeof roles)[number];

/** The scope (RFC 8693, 4.2) of a user token that allows the user to send notifications to themselves. */
export const sendToSelf = 'unseen:send-to-self';

/** Returns a name that identifies a caller within a tenant. Each idempotency key belongs to one caller. */
export function callerNameOf({ role, subject }: Pick<Caller, 'role' | 'subject'>): string {
  return `${role}:${subject}`;
}

/** The sender of a request, from a verified token. */
export interface Caller {
  readonly tenantId: string;
  /** The token's `sub`. For role `user` this is the user id. */
  readonly subject: string;
  readonly role: Role;
  /** Whether a user may send notifications to themselves. By default only services send notifications. */
  readonly maySendToSelf?: boolean;
  /** When the token expires. */
  readonly expiresAt: Date;
}

/** user: their own data. service: every user of the tenant. admin: that, and operations. */
export const roles = ['user', 'service', 'admin'] as const;
export type Role = (typeof roles)[number];

/** The scope (RFC 8693, 4.2) of a user token that may send notifications to its own user. */
export const sendToSelf = 'unseen:send-to-self';

/** Names a caller within a tenant: what idempotency keys are scoped to. */
export function callerNameOf({ role, subject }: Pick<Caller, 'role' | 'subject'>): string {
  return `${role}:${subject}`;
}

/** Who asks, as a verified token says. */
export interface Caller {
  readonly tenantId: string;
  /** The token's `sub`; for role `user` the user id. */
  readonly subject: string;
  readonly role: Role;
  /** Whether a user may send notifications to themselves, which otherwise only services do. */
  readonly maySendToSelf?: boolean;
  /** When the token ends. */
  readonly expiresAt: Date;
}

/** user: their own data. service: every user of the tenant. admin: that, and operations. */
export const roles = ['user', 'service', 'admin'] as const;
export type Role = (typeof roles)[number];

/** Who asks, as a verified token says. */
export interface Caller {
  readonly tenantId: string;
  /** The token's `sub`; for role `user` the user id. */
  readonly subject: string;
  readonly role: Role;
  /** When the token ends. */
  readonly expiresAt: Date;
}

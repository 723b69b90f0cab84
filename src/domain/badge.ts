import { z } from 'zod';
import type { UserKey } from './user.ts';

/** The badge of the notification bell. */
export const notificationsKey = 'notifications';

/** Why a badge changed. */
export const badgeCauses = [
  'ARRIVED',
  'OPENED',
  'MARKED',
  'SNOOZED',
  'EXPIRED',
  'VIEWED',
  'RESYNCED',
] as const;
export type BadgeCause = (typeof badgeCauses)[number];

/** A count with a version: absolute, never a difference. Of two states of one badge the one with the higher version is true. */
export interface Badge extends UserKey {
  readonly key: string;
  readonly unseen: number;
  readonly unread: number;
  readonly version: number;
  readonly asOf: Date;
}

/** A badge that was written as JSON, read back. */
export const writtenBadge = z.object({
  tenantId: z.string(),
  userId: z.string(),
  key: z.string(),
  unseen: z.int(),
  unread: z.int(),
  version: z.int(),
  asOf: z.coerce.date(),
});

/** The number as people read it: `99+` above `max`. */
export function displayCount(count: number, max: number): string {
  return count > max ? `${max}+` : String(count);
}

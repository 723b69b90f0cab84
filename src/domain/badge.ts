import { z } from 'zod';
import { collectionName } from '../events/text.ts';
import type { UserKey } from './user.ts';

/** The badge of the notification bell. */
export const notificationsKey = 'notifications';

const itemsPrefix = 'items:';

/** The key of the badge of a collection's items. */
export function itemsKey(collection: string): string {
  return itemsPrefix + collection;
}

/** The collection whose items the badge with this key counts; undefined when it is another badge, or none. */
export function collectionOf(key: string): string | undefined {
  if (!key.startsWith(itemsPrefix)) return undefined;
  return collectionName.safeParse(key.slice(itemsPrefix.length)).data;
}

/** Why a badge changed. */
export const badgeCauses = [
  'ARRIVED',
  'OPENED',
  'MARKED',
  'SNOOZED',
  'EXPIRED',
  'VIEWED',
  'PUBLISHED',
  'RETRACTED',
  'RECONCILED',
  'RESYNCED',
] as const;
export type BadgeCause = (typeof badgeCauses)[number];

/** Names a badge. */
export interface BadgeKey extends UserKey {
  readonly key: string;
}

/** A count with a version: absolute, never a difference. Of two states of one badge the one with the higher version is true. */
export interface Badge extends BadgeKey {
  readonly unseen: number;
  readonly unread: number;
  readonly version: number;
  readonly asOf: Date;
}

/** A badge that was written as JSON, read back. */
export const serializedBadge = z.object({
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

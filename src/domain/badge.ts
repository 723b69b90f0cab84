import { z } from 'zod';
import { collectionName } from '../events/text.ts';
import type { UserKey } from './user.ts';

/** The badge of the notification bell. */
export const notificationsKey = 'notifications';

const itemsPrefix = 'items:';

/** The key of the badge that counts a collection's items. */
export function itemsKey(collection: string): string {
  return itemsPrefix + collection;
}

/** The collection whose items a badge counts. Undefined for any other key. */
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

/** Identifies a badge. */
export interface BadgeKey extends UserKey {
  readonly key: string;
}

/** An absolute count with a version, never a difference. Of two states of a badge, the higher version is newer. */
export interface Badge extends BadgeKey {
  readonly unseen: number;
  readonly unread: number;
  readonly version: number;
  readonly asOf: Date;
}

/** Reads a badge from its JSON. */
export const serializedBadge = z.object({
  tenantId: z.string(),
  userId: z.string(),
  key: z.string(),
  unseen: z.int(),
  unread: z.int(),
  version: z.int(),
  asOf: z.coerce.date(),
});

/** The number as a badge shows it: `99+` above `max`. */
export function displayCount(count: number, max: number): string {
  return count > max ? `${max}+` : String(count);
}

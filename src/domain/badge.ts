import { z } from 'zod';
import { collectionName } from '../events/text.ts';
import type { UserKey } from './user.ts';

/** The key of the badge that counts notifications. */
export const notificationsKey = 'notifications';

const itemsPrefix = 'items:';

/** The key of the badge that counts a collection's items. */
export function itemsKey(collection: string): string {
  return itemsPrefix + collection;
}

/** Returns the collection whose items the badge counts. Undefined for any other key. */
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

/**
 * The counts of a badge, with a version. The counts are absolute numbers, never differences. Of two states of
 * a badge, the state with the higher version is newer.
 */
export interface Badge extends BadgeKey {
  readonly unseen: number;
  readonly unread: number;
  readonly version: number;
  readonly asOf: Date;
}

/** The JSON form of a badge. */
export const serializedBadge = z.object({
  tenantId: z.string(),
  userId: z.string(),
  key: z.string(),
  unseen: z.int(),
  unread: z.int(),
  version: z.int(),
  asOf: z.coerce.date(),
});

/** Returns the number as a badge shows it. For a number above `max`, this is for example `99+`. */
export function displayCount(count: number, max: number): string {
  return count > max ? `${max}+` : String(count);
}

import { z } from 'zod';
import { envelope } from './envelope.ts';
import { type NotificationSent, notificationSent } from './notification.ts';
import { type PageViewed, pageViewed } from './page-view.ts';

/** Every kind of event the worker applies. A new family is registered here and in `flow/project.ts`. */
export const families = [pageViewed, notificationSent] as const;

export type Event = PageViewed | NotificationSent;

const familyByType = new Map<string, (typeof families)[number]>(
  families.map((family) => [family.type, family]),
);

/** The topic an event travels on. */
export function topicOf(event: Event): string {
  return (familyByType.get(event.type) as (typeof families)[number]).topic;
}

/** What keeps order: events with the same key are applied in the order they were appended. */
export function keyOf(event: Event): string {
  return `${event.tenantId}/${event.userId}`;
}

/** The event as it is written to the log: JSON, times in RFC 3339. */
export function encode(event: Event): string {
  return JSON.stringify(event);
}

/**
 * What a record of the log holds.
 * - `event`: readable.
 * - `empty`: a tombstone, nothing to apply.
 * - `unreadable`: will never be readable; `reason` says where and why, without quoting the content.
 * - `newer`: written by a newer version of Unseen; readable once this worker is upgraded.
 */
export type Decoded =
  | { readonly kind: 'event'; readonly event: Event }
  | { readonly kind: 'empty' }
  | { readonly kind: 'unreadable'; readonly reason: string; readonly tenantId: string | undefined }
  | { readonly kind: 'newer'; readonly type: string; readonly schemaVersion: number };

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Reads the value of a record. Never throws; an unknown field is ignored, everything else that is off is `unreadable`. */
export function decode(value: Uint8Array | null): Decoded {
  if (value === null) return { kind: 'empty' };
  let json: unknown;
  try {
    json = JSON.parse(utf8.decode(value));
  } catch (error) {
    return unreadable(error instanceof SyntaxError ? 'not JSON' : 'not UTF-8');
  }
  const head = envelope.safeParse(json);
  if (!head.success) return unreadable(describe(head.error));
  const { type, schemaVersion, tenantId } = head.data;
  const family = familyByType.get(type);
  if (!family) return unreadable('type: not a type this worker knows', tenantId);
  if (schemaVersion > family.schemaVersion) return { kind: 'newer', type, schemaVersion };
  const data = family.data.safeParse(head.data.data);
  if (!data.success) return unreadable(describe(data.error, ['data']), tenantId);
  return { kind: 'event', event: { ...head.data, data: data.data } as Event };
}

function unreadable(reason: string, tenantId?: string): Decoded {
  return { kind: 'unreadable', reason, tenantId };
}

/** The problems of a failed parse in one line: `where: what; …`. */
export function describe(error: z.ZodError, prefix: readonly string[] = []): string {
  return error.issues
    .map((issue) => `${[...prefix, ...issue.path].join('.') || 'value'}: ${issue.message}`)
    .join('; ');
}

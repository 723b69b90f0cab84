import type { z } from 'zod';
import type { Event } from './event.ts';

/**
 * The content of a record.
 * - `event`: an event.
 * - `empty`: a tombstone, which has no content.
 * - `ignored`: a readable record, but not with an event for Unseen.
 * - `unreadable`: a record that no version of Unseen can read. `reason` says where and why, without quoting
 * the content.
 * - `newer`: a record of a newer version of Unseen. This worker can read the record after an upgrade.
 */
export type Decoded =
  | { readonly kind: 'event'; readonly event: Event }
  | { readonly kind: 'empty' }
  | { readonly kind: 'ignored'; readonly what: 'other limit event' | 'other topic' }
  | { readonly kind: 'unreadable'; readonly reason: string; readonly tenantId: string | undefined }
  | { readonly kind: 'newer'; readonly type: string; readonly schemaVersion: number };

export function unreadable(reason: string, tenantId?: string): Decoded {
  return { kind: 'unreadable', reason, tenantId };
}

/** The path from a parsed value to one of its inner values. */
export type Path = readonly PropertyKey[];

/**
 * Describes the problems of a failed parse of `value` in one line, in the form `where: what; …`. `placeOf`
 * converts the path of a problem to the path that is shown.
 */
export function describe(
  error: z.ZodError,
  value: unknown,
  placeOf: (path: Path) => Path = (path) => path,
): string {
  return error.issues
    .map(({ path, message }) => {
      const where = placeOf(path).join('.') || 'value';
      return `${where}: ${isMissing(value, path) ? 'is missing' : message}`;
    })
    .join('; ');
}

function isMissing(value: unknown, path: Path): boolean {
  const found = path.reduce(
    (outer, field) => (outer as Record<PropertyKey, unknown> | undefined)?.[field],
    value,
  );
  return found === undefined;
}

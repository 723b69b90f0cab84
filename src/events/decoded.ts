import type { z } from 'zod';
import type { Event } from './event.ts';

/**
 * The content of a record.
 * - `event`: an event.
 * - `empty`: a tombstone, so there is nothing to apply.
 * - `ignored`: readable, but no event that is applied.
 * - `unreadable`: never readable. `reason` says where and why, without quoting the content.
 * - `newer`: written by a newer version of Unseen. It becomes readable when this worker is upgraded.
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

/** The path from the parsed value to a value in it. */
export type Path = readonly PropertyKey[];

/**
 * Describes the problems of a failed parse of `value` in one line, `where: what; …`, each with the place of
 * its path.
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

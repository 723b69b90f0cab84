import type { z } from 'zod';
import type { Event } from './event.ts';

/**
 * What a record of the log holds.
 * - `event`: readable.
 * - `empty`: a tombstone, nothing to apply.
 * - `ignored`: readable, and nothing that is applied.
 * - `unreadable`: will never be readable; `reason` says where and why, without quoting the content.
 * - `newer`: written by a newer version of Unseen; readable once this worker is upgraded.
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

/** Leads from what was parsed to a value in it. */
export type Path = readonly PropertyKey[];

/** The problems of a failed parse of `value` in one line: `where: what; …`, each with the place that its path has. */
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

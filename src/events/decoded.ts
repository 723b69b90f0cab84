import type { z } from 'zod';
import type { Event } from './codec.ts';

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

/** The problems of a failed parse in one line: `where: what; …`. */
export function describe(error: z.ZodError, prefix: readonly string[] = []): string {
  return error.issues
    .map((issue) => `${[...prefix, ...issue.path].join('.') || 'value'}: ${issue.message}`)
    .join('; ');
}

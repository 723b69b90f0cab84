/** The admins of this tenant also see dead letters that name no tenant. */
const caretaker = 'default';

/**
 * Returns the tenants whose dead letters the admins of a tenant see. Admins see the dead letters of their own
 * tenant. Admins of the tenant `default` also see the dead letters of the empty tenant, which are dead
 * letters of unknown tenants.
 */
export function deadLetterTenants(tenantId: string): readonly string[] {
  return tenantId === caretaker ? [tenantId, ''] : [tenantId];
}

const base64Prefix = 'base64:';

/**
 * Converts bytes to text for people. UTF-8 is decoded. Other bytes, and text that begins with `base64:`,
 * become `base64:` followed by the bytes in base64. If the bytes were cut (`isCut`), an incomplete character
 * at the end is dropped.
 */
export function readable(bytes: Uint8Array, { isCut = false } = {}): string {
  const text = decoded(bytes, isCut);
  if (text !== undefined && !text.startsWith(base64Prefix)) return text;
  return base64Prefix + Buffer.from(bytes).toString('base64');
}

/** Converts the result of `readable` back to bytes. */
export function bytesOf(text: string): Buffer {
  return text.startsWith(base64Prefix)
    ? Buffer.from(text.slice(base64Prefix.length), 'base64')
    : Buffer.from(text);
}

function decoded(bytes: Uint8Array, isCut: boolean): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: isCut });
  } catch {
    return undefined;
  }
}

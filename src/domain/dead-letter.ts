/** The admins of this tenant see dead letters whose tenant is unknown. */
const caretaker = 'default';

/**
 * The tenants whose dead letters the admins of a tenant see. Admins see their own tenant. Admins of the tenant `default` also
 * see the empty tenant, which holds dead letters of unknown tenants.
 */
export function deadLetterTenants(tenantId: string): readonly string[] {
  return tenantId === caretaker ? [tenantId, ''] : [tenantId];
}

const base64Prefix = 'base64:';

/**
 * Shows bytes to people. UTF-8 becomes text. Other bytes, and text that itself begins with `base64:`, become `base64:` and their
 * base64. If the bytes were cut (`isCut`), the text ends before a character that is incomplete.
 */
export function readable(bytes: Uint8Array, { isCut = false } = {}): string {
  const text = decoded(bytes, isCut);
  if (text !== undefined && !text.startsWith(base64Prefix)) return text;
  return base64Prefix + Buffer.from(bytes).toString('base64');
}

/** Turns the result of `readable` back into bytes. */
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

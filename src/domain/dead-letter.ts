/** Whose admins look after dead letters that do not say whose they are. */
const caretaker = 'default';

/**
 * The tenants whose dead letters the admins of a tenant see: their own, and those of nobody (empty) for the admins of the
 * tenant `default`, since nobody else would.
 */
export function deadLetterTenants(tenantId: string): readonly string[] {
  return tenantId === caretaker ? [tenantId, ''] : [tenantId];
}

const base64Prefix = 'base64:';

/**
 * Bytes for people: as text when they are UTF-8, else in base64 behind `base64:`; so is text that begins like that. A text
 * that was cut in the middle of a character (`isCut`) ends before it.
 */
export function readable(bytes: Uint8Array, { isCut = false } = {}): string {
  const text = decoded(bytes, isCut);
  if (text !== undefined && !text.startsWith(base64Prefix)) return text;
  return base64Prefix + Buffer.from(bytes).toString('base64');
}

/** The bytes that `readable` has written. */
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

/** What the server writes into the page: tokens in development, nothing once authentication is configured. */
export interface PageConfig {
  readonly userToken?: string;
  readonly serviceToken?: string;
  readonly userId?: string;
}

/** Reads the JSON data block `#unseen-config`; anything missing or malformed counts as not configured. */
export function readConfig(page: Document = document): PageConfig {
  let parsed: unknown;
  try {
    parsed = JSON.parse(page.getElementById('unseen-config')?.textContent ?? '{}');
  } catch {
    return {};
  }
  if (typeof parsed !== 'object' || parsed === null) return {};
  return Object.fromEntries(
    Object.entries(parsed).filter(([, value]) => typeof value === 'string' && value !== ''),
  );
}

/** The API's address for subscriptions, on the host that served the page. */
export function webSocketUrl(): string {
  const url = new URL('/graphql', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

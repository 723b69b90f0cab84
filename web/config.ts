/** What the server writes into the page; the same for every visitor. */
export interface PageConfig {
  /** Whether a link opens this page. It does not once authentication is configured. */
  readonly opensByLink: boolean;
  /** Whether the server has the manual at `/docs`. */
  readonly hasDocs: boolean;
}

/** Reads the JSON data block `#unseen-config`; anything missing or malformed counts as false. */
export function readConfig(page: Document = document): PageConfig {
  try {
    const parsed = JSON.parse(
      page.getElementById('unseen-config')?.textContent ?? '{}',
    ) as Partial<PageConfig>;
    return { opensByLink: parsed.opensByLink === true, hasDocs: parsed.hasDocs === true };
  } catch {
    return { opensByLink: false, hasDocs: false };
  }
}

/** The API's address for subscriptions, on the host that served the page. */
export function webSocketUrl(): string {
  const url = new URL('/graphql', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

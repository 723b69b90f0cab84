/** The values that the server writes into the page. Every visitor gets the same values. */
export interface PageConfig {
  /** Whether a visitor can open this page with a link. False if authentication is configured. */
  readonly opensByLink: boolean;
  /** Whether the server has the manual at `/docs`. */
  readonly hasDocs: boolean;
}

/** Reads the JSON in the element `#unseen-config`. A missing or malformed value counts as false. */
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

/** The address for subscriptions, on the host that served the page. */
export function webSocketUrl(): string {
  const url = new URL('/graphql', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

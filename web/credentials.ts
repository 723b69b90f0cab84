import { type PageConfig, readConfig } from '../config.ts';

const USER_KEY = 'unseen.userToken';
const SERVICE_KEY = 'unseen.serviceToken';

/** Who the page acts as. */
export interface Credentials {
  /** The token to send now, or undefined when there is none. */
  token(role: Role): string | undefined;
  /** True when the server hands out tokens with the page, so that an expired one can be replaced. */
  readonly renewable: boolean;
  /** Fetches the page again for its fresh tokens; keeps the old ones when the server cannot be reached. */
  renew(): Promise<void>;
  /** Keeps pasted tokens until the tab is closed. */
  paste(userToken: string, serviceToken: string): void;
  forget(): void;
}

export type Role = 'user' | 'service';

/** Tokens from the page when the server put them there, else those pasted in this tab. */
export function createCredentials(injected: PageConfig): Credentials {
  let current = injected;
  const renewable = injected.userToken !== undefined;

  return {
    renewable,
    token(role) {
      if (renewable) return role === 'user' ? current.userToken : current.serviceToken;
      return sessionStorage.getItem(role === 'user' ? USER_KEY : SERVICE_KEY) ?? undefined;
    },
    async renew() {
      try {
        const page = await fetch(location.pathname, {
          cache: 'no-store',
          signal: AbortSignal.timeout(5_000),
        });
        const fresh = readConfig(new DOMParser().parseFromString(await page.text(), 'text/html'));
        if (fresh.userToken !== undefined) current = fresh;
      } catch {
        // The next connection attempt finds out for itself whether the old token still works.
      }
    },
    paste(userToken, serviceToken) {
      sessionStorage.setItem(USER_KEY, userToken);
      if (serviceToken === '') sessionStorage.removeItem(SERVICE_KEY);
      else sessionStorage.setItem(SERVICE_KEY, serviceToken);
    },
    forget() {
      sessionStorage.removeItem(USER_KEY);
      sessionStorage.removeItem(SERVICE_KEY);
    },
  };
}

const USER_KEY = 'unseen.userToken';
const SERVICE_KEY = 'unseen.serviceToken';
const TIMEOUT_MS = 5_000;

export type Role = 'user' | 'service';

/** Tokens of this tab, gone when it closes. */
export interface Credentials {
  /** The token to send, or undefined when there is none. */
  token(role: Role): string | undefined;
  keep(userToken: string, serviceToken: string): void;
  forget(): void;
}

export function createCredentials(storage: Storage = sessionStorage): Credentials {
  return {
    token: (role) => storage.getItem(role === 'user' ? USER_KEY : SERVICE_KEY) ?? undefined,
    keep(userToken, serviceToken) {
      storage.setItem(USER_KEY, userToken);
      if (serviceToken === '') storage.removeItem(SERVICE_KEY);
      else storage.setItem(SERVICE_KEY, serviceToken);
    },
    forget() {
      storage.removeItem(USER_KEY);
      storage.removeItem(SERVICE_KEY);
    },
  };
}

/**
 * Exchanges the code of a link, behind its #, for a token that does for both roles. The code leaves the address bar and the
 * history first. Resolves with what went wrong; undefined if nothing did, or there is no code.
 */
export async function redeemLink(credentials: Credentials): Promise<string | undefined> {
  // Another link in this tab changes only what is behind the #, which loads nothing by itself.
  addEventListener('hashchange', () => location.reload());
  const code = location.hash.slice(1);
  if (code === '') return undefined;
  history.replaceState(null, '', location.pathname + location.search);
  try {
    const token = await exchange(code);
    credentials.keep(token, token);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

interface Answer {
  readonly token?: string;
  readonly errors?: readonly { readonly message: string }[];
}

async function exchange(code: string): Promise<string> {
  let answer: Answer;
  try {
    const response = await fetch('/demo/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    answer = (await response.json()) as Answer;
  } catch (cause) {
    throw new Error('The server cannot be reached right now, so this link did not open the page.', { cause });
  }
  if (answer.token !== undefined) return answer.token;
  throw new Error(answer.errors?.[0]?.message ?? 'The server answered with an error.');
}

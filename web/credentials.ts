const USER_KEY = 'unseen.userToken';
const SERVICE_KEY = 'unseen.serviceToken';
const TIMEOUT_MS = 5_000;

export type Role = 'user' | 'service';

/** The tokens of this browser tab. The browser deletes the tokens when the tab closes. */
export interface Credentials {
  /** The token to send. undefined if the tab has no token for this role. */
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
 * Exchanges the code after the # of a link for a token, and uses the token for both roles. First removes the
 * code from the address bar and the history. Resolves with an error text, or with undefined if the exchange
 * succeeded or the address has no code.
 */
export async function redeemLink(credentials: Credentials): Promise<string | undefined> {
  // Opening another link in this tab changes only the part after the #, which does not load the page again.
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
    throw new Error(
      'The page cannot reach the server, so this link did not open it. Try again with a new link.',
      { cause },
    );
  }
  if (answer.token !== undefined) return answer.token;
  throw new Error(answer.errors?.[0]?.message ?? 'The server answered with an error.');
}

/** The text of GraphiQL's header editor; without a token it ends where one is to be pasted. */
export function authorizationHeader(token: string | undefined): string {
  return JSON.stringify({ Authorization: `Bearer ${token ?? ''}` }, null, 2);
}

/**
 * Header names in lower case, as `connectionParams` wants them, without an Authorization that carries no token yet:
 * such a request is an anonymous one, not one with a bad token.
 */
export function sentHeaders(edited: Record<string, unknown> | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(edited ?? {})
      .map(([name, value]) => [name.toLowerCase(), String(value).trim()] as const)
      .filter(([name, value]) => name !== 'authorization' || !/^(bearer)?$/i.test(value)),
  );
}

/** The text of GraphiQL's header editor in a new tab: it ends where a token is to be pasted. */
export const emptyHeaders = JSON.stringify({ Authorization: 'Bearer ' }, null, 2);

/**
 * Header names in lower case, as `connectionParams` wants them. An Authorization that carries no token yet becomes the one
 * of `token`, or is left out: such a request is an anonymous one, not one with a bad token.
 */
export function sentHeaders(
  edited: Record<string, unknown> | undefined,
  token: string | undefined,
): Record<string, string> {
  const headers = Object.fromEntries(
    Object.entries(edited ?? {})
      .map(([name, value]) => [name.toLowerCase(), String(value).trim()] as const)
      .filter(([name, value]) => name !== 'authorization' || !/^(bearer)?$/i.test(value)),
  );
  return token === undefined ? headers : { authorization: `Bearer ${token}`, ...headers };
}

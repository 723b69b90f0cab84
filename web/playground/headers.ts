/** The text of the header editor in a new tab. It ends where the user pastes a token. */
export const emptyHeaders = JSON.stringify({ Authorization: 'Bearer ' }, null, 2);

/**
 * The headers to send, with names in lower case as `connectionParams` requires. An Authorization header
 * without a token gets `token`. Without `token` the header is left out, so that the request is anonymous
 * instead of having a bad token.
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

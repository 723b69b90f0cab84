/** The text of the header editor in a new tab. The text ends where the user pastes a token. */
export const emptyHeaders = JSON.stringify({ Authorization: 'Bearer ' }, null, 2);

/**
 * Returns the headers to send, with names in lower case as `connectionParams` requires. If the Authorization
 * header contains no token, the function adds `token` to the header. If `token` is undefined too, the
 * function removes the header, so that the request is anonymous instead of having an invalid token.
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

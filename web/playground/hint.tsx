/** Shows the user of the token, or how to get a token. */
export function Hint({
  token,
  problem,
  opensByLink,
}: {
  readonly token: string | undefined;
  /** The reason why a link did not open the page. */
  readonly problem: string | undefined;
  readonly opensByLink: boolean;
}) {
  if (token !== undefined) {
    const { sub, tenant } = claimsOf(token);
    return (
      <p className="hint" role="note">
        You are {sub} of the tenant {tenant}, unless a tab has another token under Headers. Examples 9, 12,
        13, 15 and 16 need a service token under Headers:{' '}
        <code>npx unseen token --role service --tenant {tenant}</code>
      </p>
    );
  }
  return (
    <p className="hint" role="note">
      {problem !== undefined && <strong>{problem} </strong>}
      {opensByLink && (
        <>
          The API needs a token. Run <code>npx unseen open playground</code> in the folder of the server, and
          open the link that it prints.{' '}
        </>
      )}
      {opensByLink ? 'Or paste' : 'Paste'} a token after “Bearer” under the Headers of a tab. For a user:{' '}
      <code>npx unseen token --user alice</code>. To send notifications:{' '}
      <code>npx unseen token --role service</code>.
    </p>
  );
}

/** Reads the user and the tenant from a token. Only the server verifies the token. */
function claimsOf(token: string): { readonly sub?: string; readonly tenant?: string } {
  try {
    const payload = token.split('.')[1] ?? '';
    return JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))) as {
      sub?: string;
      tenant?: string;
    };
  } catch {
    return {};
  }
}

/** Says who asks, and where tokens come from. */
export function Hint({
  token,
  problem,
  opensByLink,
}: {
  readonly token: string | undefined;
  /** Why a link did not open the page. */
  readonly problem: string | undefined;
  readonly opensByLink: boolean;
}) {
  if (token !== undefined) {
    const { sub, tenant } = claimsOf(token);
    return (
      <p className="hint" role="note">
        You are {sub} of the tenant {tenant}, unless a tab has another token under its Headers. Examples 9,
        12, 13, 15 and 16 need a service token there:{' '}
        <code>npx unseen token --role service --tenant {tenant}</code>
      </p>
    );
  }
  return (
    <p className="hint" role="note">
      {problem !== undefined && <strong>{problem} </strong>}
      {opensByLink && (
        <>
          The API needs a token. Run <code>npx unseen open playground</code> where the server runs and open
          the link that it prints.{' '}
        </>
      )}
      {opensByLink ? 'Or paste' : 'Paste'} a token after “Bearer” under the Headers of a tab. For a user:{' '}
      <code>npx unseen token --user alice</code>. To send notifications:{' '}
      <code>npx unseen token --role service</code>.
    </p>
  );
}

/** Whom a token speaks for, as it says itself; the server checks it. */
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

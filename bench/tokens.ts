import { builtIn } from './built.ts';
import type { Bench } from './suite.ts';

/** Returns the tokens of `count` users of the default tenant. */
export async function userTokens(
  { options, secret }: Bench,
  count: number,
): Promise<readonly { readonly userId: string; readonly token: string }[]> {
  const { signToken } = await builtIn(options.dist).signToken();
  return Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const userId = `user-${n}`;
      const who = { subject: userId, role: 'user', tenantId: 'default', expiresIn: '2h' } as const;
      return { userId, token: await signToken(secret, who) };
    }),
  );
}

/** Returns the token of a service of the default tenant. */
export async function serviceToken({ options, secret }: Bench): Promise<string> {
  const { signToken } = await builtIn(options.dist).signToken();
  return signToken(secret, { subject: 'bench', role: 'service', tenantId: 'default', expiresIn: '2h' });
}

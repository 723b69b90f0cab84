import { type Command, Option } from 'commander';
import { type Role, roles } from '../domain/caller.ts';
import { matching, tenant } from './arguments.ts';

export function register(program: Command): void {
  const command = program
    .command('token')
    .description(
      'Print a token, signed with AUTH_SECRET or, if that is not set, with the secret in DATA_DIR.',
    )
    .option(
      '--user <id>',
      'the user the token is for (default: the name of the role, for service and admin)',
      matching(/^[^\p{Cc}]{1,128}$/u, 'a user id of 1 to 128 characters'),
    )
    .addOption(new Option('--role <role>', 'what the token allows').choices([...roles]).default('user'))
    .option('--tenant <tenant>', 'the tenant the token is for', tenant, 'default')
    .option(
      '--expires <duration>',
      'how long the token is valid, for example 15m, 12h or 30d',
      matching(/^\d+ ?(s|m|h|d|w|y)$/, 'a duration such as 15m, 12h or 30d'),
      '12h',
    )
    .action(async (options: { user?: string; role: Role; tenant: string; expires: string }) => {
      if (options.role === 'user' && options.user === undefined)
        command.error('error: a token of role user requires --user, for example --user alice');
      const { readConfig } = await import('../config/config.ts');
      const { createToken } = await import('../runtime/auth.ts');
      const { role, tenant: tenantId, expires: expiresIn } = options;
      const subject = options.user ?? role;
      console.log(await createToken(readConfig(), { subject, role, tenantId, expiresIn }));
    });
}

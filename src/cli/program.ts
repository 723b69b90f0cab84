import { Command } from 'commander';
import { version } from '../version.ts';
import * as demo from './demo.ts';
import * as dlq from './dlq.ts';
import * as doctor from './doctor.ts';
import * as importLimits from './import-limits.ts';
import * as importUsers from './import-users.ts';
import * as log from './log.ts';
import * as migrate from './migrate.ts';
import * as open from './open.ts';
import { exitWith } from './output.ts';
import * as rebuild from './rebuild.ts';
import * as replay from './replay.ts';
import * as start from './start.ts';
import * as sweep from './sweep.ts';
import * as token from './token.ts';

const examples = `
Settings come from environment variables. .env.example lists them all.

Examples:
  unseen start                                  run everything in one process, with the data in .unseen/
  unseen start --ephemeral                      the same, but keep no data
  unseen open                                   print a new link that opens the demo
  PORT=8080 unseen start                        listen on another port
  unseen token --user alice                     print a token for the playground or for curl
  unseen token --role service                   print a token that acts for every user of the tenant
  unseen dlq ls                                 list the events that could not be applied
  unseen rebuild metrics --dry-run              check the metrics against the page views
  unseen import users users.jsonl               create or change the users that a file lists
  unseen import limits limits.json              import limit events`;

/** Runs the command that the arguments name. */
export async function run(args: readonly string[]): Promise<void> {
  const program = new Command('unseen')
    .description('Live unseen badges, per-user stats and limits behind one GraphQL API.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .showHelpAfterError('Add --help to see the commands and options.')
    .addHelpText('after', examples);
  for (const command of [start, migrate, doctor, token, open, dlq, sweep, rebuild, replay, log, demo])
    command.register(program);
  const imports = program
    .command('import')
    .description('Import users or limit events. Works while the server runs.');
  importUsers.register(imports);
  importLimits.register(imports);
  await program.parseAsync(args).catch(exitWith);
}

import { z } from 'zod';
import { settingGroups, settings } from '../../src/config/settings.ts';

type Setting = (typeof settings)[keyof typeof settings] & {
  readonly unit?: string;
  readonly secret?: boolean;
};

const intro = `# Configuration

After this page you can look up each setting, its default and its bounds.

Every setting is an environment variable, and none is required. An empty value counts as unset. At the start Unseen checks all
settings and lists every problem at once. It also asks about a variable whose name is almost that of a setting.

\`.env.example\` has the same list in the form of a file. In an installed package, the file is in \`node_modules/unseen/\`. Copy it to
\`.env\` and change the values. Unseen does not read \`.env\` by itself. Node does. In a checkout, run:

\`\`\`console
node --env-file=.env dist/main.js start
\`\`\`

In a folder with the installed package, run:

\`\`\`console
node --env-file=.env node_modules/unseen/dist/main.js start
\`\`\`

The settings that a first installation needs:

| you want | set |
|---|---|
| other machines to reach the server | [\`HOST\`](#host)\`=0.0.0.0\` |
| your own PostgreSQL | [\`DATABASE_URL\`](#database_url) |
| tokens of your own backend or identity provider | [\`AUTH_SECRET\`](#auth_secret) or [\`AUTH_JWKS_URL\`](#auth_jwks_url) |
| pages of your site to call the API | [\`CORS_ORIGINS\`](#cors_origins) |
| more than one process | [\`DATABASE_URL\`](#database_url), [\`REDIS_URL\`](#redis_url) and [\`ROLES\`](#roles) |
| events of other systems | [\`KAFKA_BROKERS\`](#kafka_brokers) |
| a start without authentication to be refused | [\`NODE_ENV\`](#node_env)\`=production\` |

Some combinations cannot work, so Unseen refuses to start with them:

| combination | way out |
|---|---|
| \`AUTH_SECRET\` and \`AUTH_JWKS_URL\` | unset the one that your tokens are not signed with |
| \`NODE_ENV=production\` with neither of them, in a process that answers requests | set one |
| \`ROLES\` with one role only, without \`DATABASE_URL\` or without \`REDIS_URL\` | set both, or run \`api,worker\` in one process |
| one or two of \`KAFKA_SASL_MECHANISM\`, \`KAFKA_SASL_USERNAME\` and \`KAFKA_SASL_PASSWORD\` | set all three, or none |
| \`KAFKA_SSL=on\` or a login for Kafka without \`KAFKA_BROKERS\` | set \`KAFKA_BROKERS\` |
| \`REDIS_CLUSTER=on\` without \`REDIS_URL\` | set \`REDIS_URL\` |
| \`DEDUPE_DAYS\` shorter than \`LOG_RETENTION_DAYS\` | raise \`DEDUPE_DAYS\` |
`;

/** Returns the page of the manual that lists all settings by group. */
export function configurationPage(): string {
  const groups = Object.entries(settingGroups).map(([group, title]) => {
    const members = (Object.entries(settings) as [string, Setting][]).filter(
      ([, one]) => one.group === group,
    );
    return `## ${title}\n\n${members.map(([name, one]) => describe(name, one)).join('\n')}`;
  });
  return `${intro}\n${groups.join('\n')}`;
}

function describe(name: string, { schema, about, example, unit, secret }: Setting): string {
  const byDefault = defaultOf(schema);
  const facts = [
    `Value: ${boundsOf(schema)}${unit === undefined ? '' : ` (${unit})`}`,
    byDefault === undefined ? 'Default: unset' : `Default: \`${byDefault}\``,
    ...(byDefault === example ? [] : [`Example: \`${example}\``]),
    ...(secret ? ['Secret: Unseen never prints it'] : []),
  ];
  return `### \`${name}\`\n\n${linked(about)}\n\n${facts.map((fact) => `- ${fact}\n`).join('')}`;
}

function defaultOf(schema: z.ZodType): string | undefined {
  const hasDefault = schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault;
  const value = hasDefault ? [schema.def.defaultValue].flat().join(',') : '';
  return value === '' ? undefined : value;
}

/**
 * Returns the allowed values of a setting, which the error message of the setting contains. A setting that
 * accepts any text has no such message.
 */
function boundsOf(schema: z.ZodType): string {
  const { error } = schema.safeParse('\0');
  return error?.issues[0]?.message ?? 'text';
}

/** Adds a link to each name of a setting that is not in backticks. */
function linked(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part) =>
      part.startsWith('`')
        ? part
        : part.replace(/\b[A-Z]+(?:_[A-Z]+)+\b/g, (name) =>
            name in settings ? `[\`${name}\`](#${name.toLowerCase()})` : `\`${name}\``,
          ),
    )
    .join('');
}

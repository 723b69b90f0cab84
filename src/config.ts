import { z } from 'zod';

const list = (values: string) =>
  values
    .split(',')
    .map((value) => value.trim())
    .filter((value) => value !== '');

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `a whole number from ${min} to ${max}`);

/** What can be said about a setting beside its schema: `.env.example` and error messages are made from it. */
interface About {
  readonly about: string;
  readonly example: string;
  readonly secret?: boolean;
}

const setting = <Schema extends z.ZodType>(schema: Schema, about: About) => ({ schema, ...about });

/** Every environment variable Unseen reads. An empty value counts as unset. */
const settings = {
  HOST: setting(z.string().default('127.0.0.1'), {
    about: 'Address to listen on. 0.0.0.0 for all.',
    example: '127.0.0.1',
  }),
  PORT: setting(integer(0, 65_535).default(4000), {
    about: 'Port for HTTP and WebSocket; 0 takes a free one.',
    example: '4000',
  }),
  DATA_DIR: setting(z.string().default('.unseen'), {
    about: 'Where the embedded Postgres and the generated secret live.',
    example: '.unseen',
  }),
  DATABASE_URL: setting(z.url({ protocol: /^postgres(ql)?$/, error: 'a postgresql:// URL' }).optional(), {
    about: 'A PostgreSQL server, 15 or newer. Unset: an embedded one in DATA_DIR.',
    example: 'postgresql://unseen:password@localhost:5432/unseen',
    secret: true,
  }),
  DATABASE_POOL_SIZE: setting(integer(2, 500).default(10), {
    about: 'Connections to Postgres per process, one more for consuming not counted.',
    example: '10',
  }),
  ROLES: setting(
    z
      .string()
      .transform(list)
      .pipe(z.array(z.enum(['api', 'worker'], 'api, worker or both')).min(1, 'api, worker or both'))
      .default(['api', 'worker']),
    { about: 'What this process does: api answers requests, worker applies events.', example: 'api,worker' },
  ),
  AUTH_SECRET: setting(z.string().min(32, 'at least 32 characters').optional(), {
    about: 'Secret that tokens are signed with (HS256), at least 32 characters.',
    example: 'at-least-32-random-characters-here',
    secret: true,
  }),
  AUTH_JWKS_URL: setting(z.url({ protocol: /^https?$/, error: 'an http(s) URL' }).optional(), {
    about: 'Key set of the issuer of tokens, instead of AUTH_SECRET.',
    example: 'https://id.example.com/.well-known/jwks.json',
  }),
  AUTH_ISSUER: setting(z.string().optional(), {
    about: 'The `iss` a token must have. Unset: not checked.',
    example: 'https://id.example.com/',
  }),
  AUTH_AUDIENCE: setting(z.string().optional(), {
    about: 'The `aud` a token must have. Unset: not checked.',
    example: 'unseen',
  }),
  CORS_ORIGINS: setting(z.string().transform(list).default([]), {
    about:
      'Origins whose pages may call the API, separated by commas, or *. Unset: only pages served from here.',
    example: 'https://app.example.com,https://admin.example.com',
  }),
  INTROSPECTION: setting(z.enum(['on', 'off'], 'on or off').optional(), {
    about: 'Whether clients may read the schema. Default: on, off with NODE_ENV=production.',
    example: 'on',
  }),
  RETENTION_DAYS: setting(integer(1, 3_650).default(183), {
    about: 'How long page views are kept, and the longest window of stats, in days.',
    example: '183',
  }),
  LOG_RETENTION_DAYS: setting(integer(1, 30).default(7), {
    about:
      'How long applied events stay in the log, in days. Never longer than repeated events are recognised (30).',
    example: '7',
  }),
  RESYNC_INTERVAL_SEC: setting(integer(1, 3_600).default(30), {
    about: 'How often watched badges are read again, in seconds: the longest a lost push can go unnoticed.',
    example: '30',
  }),
  SHUTDOWN_TIMEOUT_SEC: setting(integer(1, 600).default(10), {
    about: 'How long requests under way may take after SIGTERM, in seconds.',
    example: '10',
  }),
  LOG_LEVEL: setting(
    z
      .enum(['debug', 'info', 'warn', 'error', 'silent'], 'debug, info, warn, error or silent')
      .default('info'),
    { about: 'debug, info, warn, error or silent.', example: 'info' },
  ),
  NODE_ENV: setting(z.string().default('development'), {
    about: 'With `production`, a start without configured authentication is refused.',
    example: 'production',
  }),
} as const;

type Settings = { readonly [Key in keyof typeof settings]: z.output<(typeof settings)[Key]['schema']> };

/** The configuration of a process, checked and frozen. */
export interface Config {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly databaseUrl: string | undefined;
  readonly databasePoolSize: number;
  readonly roles: ReadonlySet<'api' | 'worker'>;
  readonly auth: {
    /** undefined together with jwksUrl: a secret in the data directory is created and used. */
    readonly secret: string | undefined;
    readonly jwksUrl: string | undefined;
    readonly issuer: string | undefined;
    readonly audience: string | undefined;
  };
  readonly corsOrigins: readonly string[];
  readonly introspection: boolean;
  readonly retentionDays: number;
  readonly logRetentionDays: number;
  readonly resyncMs: number;
  readonly shutdownTimeoutMs: number;
  readonly logLevel: string;
}

/** Everything that is wrong with an environment, one line per problem. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(
      `The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${problems.join('\n')}`,
    );
    this.name = 'ConfigError';
  }
}

/** Reads the environment. Throws ConfigError with all problems at once. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const problems: string[] = [];
  const values = Object.fromEntries(
    Object.entries(settings).map(([key, { schema, example, ...about }]) => {
      const given = env[key] === '' ? undefined : env[key];
      const parsed = (schema as z.ZodType).safeParse(given);
      if (parsed.success) return [key, parsed.data];
      const got = 'secret' in about && about.secret ? 'a value that is not shown' : `"${given}"`;
      problems.push(
        `  ${key}: got ${got}, expected ${parsed.error.issues[0]?.message}, for example ${example}`,
      );
      return [key, undefined];
    }),
  ) as Settings;
  if (problems.length > 0) throw new ConfigError(problems);

  const production = values.NODE_ENV === 'production';
  if (values.AUTH_SECRET !== undefined && values.AUTH_JWKS_URL !== undefined) {
    problems.push(
      '  AUTH_SECRET and AUTH_JWKS_URL are both set: unset the one your tokens are not signed with',
    );
  }
  if (production && values.AUTH_SECRET === undefined && values.AUTH_JWKS_URL === undefined) {
    problems.push(
      '  AUTH_SECRET or AUTH_JWKS_URL: NODE_ENV is production, so one of them must say who signs tokens',
    );
  }
  if (values.ROLES.length === 1) {
    problems.push(
      `  ROLES: got "${values.ROLES[0]}" alone, but badge pushes stay inside a process: run api,worker together`,
    );
  }
  if (problems.length > 0) throw new ConfigError(problems);

  return Object.freeze({
    host: values.HOST,
    port: values.PORT,
    dataDir: values.DATA_DIR,
    databaseUrl: values.DATABASE_URL,
    databasePoolSize: values.DATABASE_POOL_SIZE,
    roles: new Set(values.ROLES),
    auth: Object.freeze({
      secret: values.AUTH_SECRET,
      jwksUrl: values.AUTH_JWKS_URL,
      issuer: values.AUTH_ISSUER,
      audience: values.AUTH_AUDIENCE,
    }),
    corsOrigins: values.CORS_ORIGINS,
    introspection: values.INTROSPECTION === undefined ? !production : values.INTROSPECTION === 'on',
    retentionDays: values.RETENTION_DAYS,
    logRetentionDays: values.LOG_RETENTION_DAYS,
    resyncMs: values.RESYNC_INTERVAL_SEC * 1000,
    shutdownTimeoutMs: values.SHUTDOWN_TIMEOUT_SEC * 1000,
    logLevel: values.LOG_LEVEL,
  });
}

/** The text of `.env.example`: every setting, what it means, its default. */
export function envExample(): string {
  const entries = Object.entries(settings).map(([key, { schema, about, example }]) => {
    const byDefault = schema instanceof z.ZodDefault ? [schema.def.defaultValue].flat().join(',') : undefined;
    return [
      `# ${about}`,
      byDefault === undefined || byDefault === '' ? `# ${key}=${example}` : `# ${key}=${byDefault}`,
    ].join('\n');
  });
  return `# Unseen reads these from the environment. Nothing has to be set: what is commented out is the default or an example.\n\n${entries.join('\n\n')}\n`;
}

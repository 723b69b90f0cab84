import { describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from './config.ts';
import { misspellings } from './misspellings.ts';
import { envExample } from './settings.ts';

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the configuration', () => {
  it('is valid without any setting', () => {
    expect(readConfig({})).toMatchObject({
      host: '127.0.0.1',
      port: 4000,
      dataDir: '.unseen',
      databaseUrl: undefined,
      introspection: true,
      retentionDays: 183,
      flushIntervalMs: 30_000,
      batchSize: 2_000,
      retention: { pageViews: 183, notifications: 183, marks: 30, deadLetters: 90, log: 7 },
      lockedCategories: ['security'],
      announcesDeliveries: true,
      resyncMs: 30_000,
    });
    expect([...readConfig({}).roles]).toEqual(['api', 'worker']);
  });

  it('treats an empty value as unset', () => {
    expect(readConfig({ PORT: '', AUTH_SECRET: '' })).toMatchObject({
      port: 4000,
      auth: { secret: undefined },
    });
  });

  it('reports all problems at once, each with the expected value and an example', () => {
    expect(problemsOf({ PORT: '99999', LOG_LEVEL: 'loud', ROLES: 'api,cook' })).toEqual([
      '  PORT: got "99999", expected a whole number from 0 to 65535, for example 4000',
      '  ROLES: got "api,cook", expected api, worker or both, for example api,worker',
      '  LOG_LEVEL: got "loud", expected debug, info, warn, error or silent, for example info',
    ]);
  });

  it('uses Kafka and Redis only if their settings are set', () => {
    expect(readConfig({})).toMatchObject({ kafka: undefined, redis: undefined, databaseUrl: undefined });
    expect(readConfig({ KAFKA_BROKERS: 'a:9092, b:9093' }).kafka).toEqual({
      brokers: ['a:9092', 'b:9093'],
      clientId: 'unseen',
      namespace: '',
      renamed: {},
      ssl: false,
      sasl: undefined,
      partitions: 6,
      replicationFactor: undefined,
      compression: 'none',
      sessionTimeoutMs: 6_000,
    });
    expect(
      readConfig({
        KAFKA_BROKERS: 'a:9092',
        KAFKA_SSL: 'on',
        KAFKA_SASL_MECHANISM: 'scram-sha-512',
        KAFKA_SASL_USERNAME: 'unseen',
        KAFKA_SASL_PASSWORD: 'secret',
      }).kafka,
    ).toMatchObject({
      ssl: true,
      sasl: { mechanism: 'scram-sha-512', username: 'unseen', password: 'secret' },
    });
    expect(readConfig({ REDIS_URL: 'rediss://cache:6379/1', REDIS_CLUSTER: 'on' }).redis).toEqual({
      url: 'rediss://cache:6379/1',
      cluster: true,
      namespace: '',
    });
  });

  it.each([
    [{ ROLES: 'api' }, ['DATABASE_URL', 'REDIS_URL']],
    [{ ROLES: 'worker', DATABASE_URL: 'postgresql://x/y' }, ['REDIS_URL']],
    [{ ROLES: 'worker,worker', REDIS_URL: 'redis://x' }, ['DATABASE_URL']],
    [{ ROLES: 'api', DATABASE_URL: 'postgresql://x/y', REDIS_URL: 'redis://x' }, []],
    [{ ROLES: 'worker,api' }, []],
    [{ KAFKA_BROKERS: 'a:1', KAFKA_SASL_USERNAME: 'u' }, ['set all three, or none']],
    [{ KAFKA_SSL: 'on' }, ['without KAFKA_BROKERS']],
    [{ REDIS_CLUSTER: 'on' }, ['without REDIS_URL']],
  ])('refuses settings that cannot work together, and names the fix: %j', (env, expected) => {
    const problems = problemsOf(env);
    expect(problems).toEqual(expected.map((part) => expect.stringContaining(part)));
  });

  it.each([
    ['PORT', '4000.5'],
    ['PORT', '0x10'],
    ['PORT', '-1'],
    ['DATABASE_URL', 'mysql://localhost/x'],
    ['DATABASE_URL', 'localhost:5432'],
    ['DATABASE_URL', 'postgresql://a:5432,b:x/db'],
    ['DATABASE_URL', 'postgresql://a,b/db?target_session_attrs=standby'],
    ['AUTH_JWKS_URL', 'file:///etc/passwd'],
    ['RETENTION_DAYS', '0'],
    ['LOCKED_CATEGORIES', 'security,two words'],
    ['LIMIT_THRESHOLDS', '80'],
    ['LIMIT_THRESHOLDS', 'DEPOSITS=80'],
    ['LIMIT_THRESHOLDS', 'BET=80,BET=90'],
    ['LIMIT_THRESHOLDS', 'BET=80+'],
    ['LIMIT_THRESHOLDS', 'BET=0'],
    ['ROLES', ','],
    ['KAFKA_BROKERS', 'kafka://a:9092'],
    ['KAFKA_BROKERS', 'a'],
    ['KAFKA_BROKERS', ','],
    ['KAFKA_TOPICS', 'incoming.user_activity'],
    ['NAMESPACE', 'a b'],
    ['KAFKA_PARTITIONS', '0'],
    ['KAFKA_COMPRESSION', 'snappy'],
    ['REDIS_URL', 'localhost:6379'],
    ['REDIS_URL', 'http://localhost'],
    ['INTROSPECTION', 'yes'],
  ])('refuses %s=%s', (key, value) => {
    expect(problemsOf({ [key]: value })).toHaveLength(1);
  });

  it.each([
    'postgresql://user:pass@a:5432,b:5432/db?target_session_attrs=read-write',
    'postgres://[::1]:5432,[::2]/db?sslmode=require&target_session_attrs=primary',
    'postgresql://a/db?target_session_attrs=any',
    'postgresql://user@localhost/db?host=%2Ftmp&port=5433',
  ])('accepts a DATABASE_URL with one or several hosts: %s', (url) => {
    expect(readConfig({ DATABASE_URL: url }).databaseUrl).toBe(url);
  });

  it('reads the thresholds of each type of limit in ascending order', () => {
    const { limitThresholds } = readConfig({ LIMIT_THRESHOLDS: '*=100+50,SESSION=90,BALANCE=' });
    expect(limitThresholds).toMatchObject({ BET: [50, 100], SESSION: [90], BALANCE: [] });
    expect(readConfig({}).limitThresholds.UNKNOWN).toEqual([80, 100]);
  });

  it('shows no secret in error texts', () => {
    const problems = problemsOf({ AUTH_SECRET: 'hunter2', DATABASE_URL: 'http://user:hunter2@host' }).join(
      '\n',
    );
    expect(problems).toContain('AUTH_SECRET: got a value that is not shown');
    expect(problems).not.toContain('hunter2');
  });

  it('names the fix for missing and contradictory settings', () => {
    const secret = 'x'.repeat(32);
    expect(problemsOf({ NODE_ENV: 'production' })[0]).toContain('tokens need a configured key');
    expect(problemsOf({ NODE_ENV: 'production', AUTH_SECRET: secret })).toEqual([]);
    expect(problemsOf({ AUTH_SECRET: secret, AUTH_JWKS_URL: 'https://id.example.com/keys' })[0]).toContain(
      'unset',
    );
    expect(problemsOf({ ROLES: 'worker' })[0]).toContain('run api,worker together');
  });

  it('refuses a DEDUPE_DAYS that is shorter than the time for which the log can repeat events', () => {
    expect(problemsOf({ DEDUPE_DAYS: '5' })).toEqual([
      expect.stringContaining('set DEDUPE_DAYS to LOG_RETENTION_DAYS or more'),
    ]);
    expect(problemsOf({ LOG_RETENTION_DAYS: '31' })).toHaveLength(1);
    expect(problemsOf({ LOG_RETENTION_DAYS: '31', DEDUPE_DAYS: '31' })).toEqual([]);
  });

  it('hides the schema in production unless INTROSPECTION is on', () => {
    const production = { NODE_ENV: 'production', AUTH_SECRET: 'x'.repeat(32) };
    expect(readConfig(production).introspection).toBe(false);
    expect(readConfig({ ...production, INTROSPECTION: 'on' }).introspection).toBe(true);
  });

  it.each([
    ['KAFKA_BROKER', 'KAFKA_BROKERS'],
    ['KAFKA_BROKRES', 'KAFKA_BROKERS'],
    ['UNSEEN_PORT', 'PORT'],
    ['UNSEEN_KAFKA_BROKER', 'KAFKA_BROKERS'],
    ['RATE_LIMIT_PER_USR', 'RATE_LIMIT_PER_USER'],
    ['DATABASE_URI', 'DATABASE_URL'],
    ['PORTT', 'PORT'],
    ['ROLE', 'ROLES'],
    ['PROT', 'PORT'],
    ['REDIS_ULR', 'REDIS_URL'],
  ])('recognises %s as a misspelt %s', (variable, meant) => {
    expect(misspellings({ [variable]: '9', PATH: '/bin' })).toEqual([{ variable, meant }]);
  });

  it('ignores variables of other programs', () => {
    const variablesOfOthers = {
      ...{ HOSTNAME: 'pod-1', HOME: '/root', POST: '1', SORT: '1', SHELL: '/bin/sh', USER: 'u', LANG: 'C' },
      ...{ NODE_OPTIONS: '', NODE_PATH: '/x', NODE_EXTRA_CA_CERTS: '/x', NODE_VERSION: '22', NO_COLOR: '1' },
      ...{
        npm_config_port: '1',
        npm_config_host: 'h',
        npm_package_name: 'unseen',
        npm_lifecycle_event: 'start',
      },
      ...{ PGHOST: 'h', PGPORT: '1', PGSSLMODE: 'off', PGDATABASE: 'd', POD_NAMESPACE: 'n', POD_NAME: 'n' },
      ...{ KUBERNETES_SERVICE_HOST: 'h', KUBERNETES_PORT: 'tcp://10.0.0.1:443', POSTGRES_PASSWORD: 'p' },
      ...{ UNSEEN_SERVICE_HOST: 'h', UNSEEN_SERVICE_PORT: '4000', UNSEEN_PORT: 'tcp://10.0.0.1:4000' },
      ...{ UNSEEN_PORT_4000_TCP: 'tcp://10.0.0.1:4000', UNSEEN_PORT_4000_TCP_PORT: '4000' },
      ...{ UNSEEN_PORT_4000_TCP_ADDR: '10.0.0.1', UNSEEN_PORT_4000_TCP_PROTO: 'tcp' },
      ...{ KAFKA_SERVICE_HOST: 'h', KAFKA_SERVICE_PORT: '9092', KAFKA_PORT: 'tcp://10.0.0.2:9092' },
      ...{ KAFKA_PORT_9092_TCP_ADDR: '10.0.0.2', KAFKA_HEAP_OPTS: '-Xmx1g', KAFKA_URL: 'kafka://h' },
      ...{
        REDIS_SERVICE_HOST: 'h',
        REDIS_PORT: 'tcp://10.0.0.3:6379',
        REDIS_HOST: 'h',
        REDIS_PORT_6379_TCP: 'x',
      },
      ...{ DATABASE_HOST: 'h', DATABASE_NAME: 'n', DATABASE_PORT: '1', AUTH_TOKEN: 't', AUTH_URL: 'u' },
      ...{
        TEST_DATABASE_URL: 'postgresql://h',
        LOG_FORMAT: 'json',
        LC_ALL: 'C',
        DEBUG: '1',
        SSL_CERT_DIR: '/x',
      },
    };
    expect(misspellings(variablesOfOthers)).toEqual([]);
  });

  it('adds suggestions for misspelt variables to the problems', () => {
    expect(problemsOf({ REDIS_CLUSTER: 'on', REDIS_URI: 'redis://x' })).toEqual([
      expect.stringContaining('REDIS_CLUSTER has no effect without REDIS_URL'),
      '  REDIS_URI is not a setting: did you mean REDIS_URL?',
    ]);
  });

  it('writes .env.example with defaults that change nothing and examples that work', () => {
    const entries = [...envExample().matchAll(/^# (.*)\n# ([A-Z_]+)=(.*)$/gm)].map(
      ([, about = '', key = '', value = '']) => ({ isExample: about.endsWith('For example:'), key, value }),
    );
    const examples = entries.filter(({ isExample }) => isExample);
    expect(examples.map(({ key }) => key)).toEqual([
      'DATABASE_URL',
      'KAFKA_BROKERS',
      'KAFKA_TOPICS',
      'NAMESPACE',
      'KAFKA_SASL_MECHANISM',
      'KAFKA_SASL_USERNAME',
      'KAFKA_SASL_PASSWORD',
      'KAFKA_REPLICATION_FACTOR',
      'REDIS_URL',
      'AUTH_SECRET',
      'AUTH_JWKS_URL',
      'AUTH_ISSUER',
      'AUTH_AUDIENCE',
      'CORS_ORIGINS',
      'INTROSPECTION',
      'ALERT_USERS',
    ]);
    // Unseen reads some settings only if KAFKA_BROKERS or REDIS_URL is set.
    const backends = { KAFKA_BROKERS: 'a:9092', REDIS_URL: 'redis://x' };
    for (const { isExample, key, value } of entries)
      if (!isExample) expect(readConfig({ ...backends, [key]: value }), key).toEqual(readConfig(backends));
    expect(entries).toHaveLength(envExample().match(/^# [A-Z_]+=/gm)?.length ?? 0);
    const { AUTH_JWKS_URL: _, ...usable } = Object.fromEntries(entries.map(({ key, value }) => [key, value]));
    expect(readConfig(usable)).toMatchObject({ port: 4000, dataDir: '.unseen' });
  });
});

// @module-tag kafka
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type PrivateInstance, startKafka } from '../../../scripts/services/private.ts';
import { countsOf, createUsers, tokenOf, wishes, work } from '../../testing/clients.ts';
import { createTestDatabase, type TestDatabase } from '../../testing/database.ts';
import { freePort, patience, startProgram } from '../../testing/program.ts';

const password = 'correct-horse';
const keyStorePassword = 'battery-staple';

describe('a Kafka that requires TLS and a login', () => {
  let dir: string;
  let kafka: PrivateInstance;
  let database: TestDatabase;
  /** The environment variables with which a process may connect. */
  let right: Readonly<Record<string, string>>;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'unseen-secure-kafka-'));
    const authority = join(dir, 'authority.pem');
    const keyStore = { file: join(dir, 'kafka.p12'), password: keyStorePassword };
    await signItself(keyStore.file, authority);
    const port = await freePort();
    const secure = { port, keyStore, username: 'unseen', password };
    [kafka, database] = await Promise.all([
      startKafka({ dir: join(dir, 'kafka'), secure }),
      createTestDatabase(),
    ]);
    right = {
      DATABASE_URL: database.connectionString,
      NODE_EXTRA_CA_CERTS: authority,
      KAFKA_BROKERS: `127.0.0.1:${port}`,
      KAFKA_SSL: 'on',
      KAFKA_SASL_MECHANISM: 'scram-sha-256',
      KAFKA_SASL_USERNAME: 'unseen',
      KAFKA_SASL_PASSWORD: password,
    };
  }, 300_000);
  afterAll(async () => {
    await kafka.stop();
    await database.drop();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Runs a command of `unseen` until it ends. */
  const unseen = (command: string, env: Readonly<Record<string, string>>) =>
    new Promise<{ readonly code: unknown; readonly output: string }>((resolve) => {
      const options = { env: { PATH: process.env['PATH'], PORT: '0', ...env } };
      execFile(process.execPath, ['.build/main.js', command], options, (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, output: stdout + stderr }),
      );
    });

  it.each(['plain', 'scram-sha-256', 'scram-sha-512'])(
    'accepts a login with the mechanism %s',
    async (mechanism) => {
      const env = { ...right, KAFKA_SASL_MECHANISM: mechanism };
      const program = await startProgram(env);
      try {
        const token = await tokenOf('test', 'service');
        const user = `user-of-${mechanism}`;
        await createUsers(program.url, token, [user]);
        await work(() => program.url, token, wishes([user], 3, mechanism), { clients: 1 }).finished;
        await vi.waitFor(
          async () =>
            expect(await countsOf(program.url, token, user)).toEqual({ notifications: 1, views: 2 }),
          patience,
        );
        expect(program.log()).not.toContain(password);
      } finally {
        await program.end('SIGTERM');
      }
      expect(await unseen('doctor', env)).toMatchObject({
        code: 0,
        output: expect.stringMatching(/reached in \d+ ms, 1 broker/),
      });
    },
  );

  it.each([
    { wrong: 'password', env: { KAFKA_SASL_PASSWORD: 'wrong-horse' }, check: 'KAFKA_SASL_PASSWORD' },
    {
      wrong: 'password for PLAIN',
      env: { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_PASSWORD: 'wrong-horse' },
      check: 'KAFKA_SASL_PASSWORD',
    },
    { wrong: 'authority', env: { NODE_EXTRA_CA_CERTS: '' }, check: 'NODE_EXTRA_CA_CERTS' },
  ])(
    'refuses a wrong $wrong, and the commands `doctor` and `start` name the setting to check',
    async ({ env, check }) => {
      for (const command of ['doctor', 'start']) {
        const { code, output } = await unseen(command, { ...right, ...env });
        expect(code).toBe(1);
        expect(output).toMatch(new RegExp(`(authentication failed|self-signed certificate)[^]*${check}`));
        expect(output).not.toMatch(/horse|is ready/);
      }
    },
  );
});

/** Creates a key store with a self-signed certificate, and a file with the certificate of its authority. */
async function signItself(keyStore: string, authority: string): Promise<void> {
  const keytool = (...args: readonly string[]) =>
    promisify(execFile)('keytool', [...args, '-keystore', keyStore, '-storepass', keyStorePassword]);
  const forUs = ['-dname', 'CN=kafka', '-ext', 'san=ip:127.0.0.1', '-ext', 'bc:c'];
  await keytool('-genkeypair', '-alias', 'kafka', '-keyalg', 'EC', '-storetype', 'PKCS12', ...forUs);
  await keytool('-exportcert', '-rfc', '-alias', 'kafka', '-file', authority);
}

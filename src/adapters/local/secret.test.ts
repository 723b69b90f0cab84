import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../domain/error.ts';
import { examineSecret, findSecret, readOrCreateSecret } from './secret.ts';

describe('the secret of a data directory', () => {
  let dataDir: string;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'unseen-secret-'));
  });
  afterEach(() => {
    chmodSync(dataDir, 0o700);
    rmSync(dataDir, { recursive: true });
  });

  it('is not created by an examination, and is created only once', () => {
    const nested = join(dataDir, 'not', 'there');
    expect(examineSecret(nested)).toMatchObject({
      state: 'ok',
      found: expect.stringContaining('does not exist'),
    });
    expect(readdirSync(dataDir)).toEqual([]);
    const secret = readOrCreateSecret(nested);
    expect(examineSecret(nested)).toEqual({ state: 'ok', found: 'exists and is usable' });
    expect(readOrCreateSecret(nested)).toBe(secret);
  });

  it('is found if it exists, and is not created otherwise', () => {
    expect(findSecret(dataDir)).toBeUndefined();
    expect(readdirSync(dataDir)).toEqual([]);
    const secret = readOrCreateSecret(dataDir);
    expect(findSecret(dataDir)).toBe(secret);
  });

  it.each([readOrCreateSecret, findSecret])(
    'is closed to other accounts by %o, even if they had the rights to read or replace it',
    (use) => {
      const file = join(dataDir, 'auth-secret');
      const secret = readOrCreateSecret(dataDir);
      chmodSync(file, 0o664);
      chmodSync(dataDir, 0o777);
      expect(examineSecret(dataDir)).toMatchObject({
        state: 'warning',
        fix: expect.stringContaining('chmod 600'),
      });
      expect(use(dataDir)).toBe(secret);
      expect([statSync(file).mode & 0o777, statSync(dataDir).mode & 0o777]).toEqual([0o600, 0o755]);
      expect(examineSecret(dataDir)).toMatchObject({ state: 'ok' });
    },
  );

  it.each([
    ['is a device', () => '/dev/null'],
    [
      'is below a file',
      (directory: string) => {
        writeFileSync(join(directory, 'file'), '');
        return join(directory, 'file', 'data');
      },
    ],
  ])('cannot be read if the directory %s, and the error names the variable to change', (_, unusable) => {
    const there = unusable(dataDir);
    expect(() => readOrCreateSecret(there)).toThrow(AppError);
    expect(() => readOrCreateSecret(there)).toThrow(/cannot be used: .*\. .*DATA_DIR.*AUTH_SECRET/);
    expect(examineSecret(there)).toMatchObject({
      state: 'failed',
      fix: expect.stringMatching(/DATA_DIR.*AUTH_SECRET/),
    });
  });

  // This test does not run as root, because root can write to any directory.
  it('cannot be created if the directory is not writable, and the examination says so', {
    tags: ['not-root'],
  }, () => {
    chmodSync(dataDir, 0o500);
    expect(() => readOrCreateSecret(join(dataDir, 'data'))).toThrow(/EACCES.*DATA_DIR/);
    expect(examineSecret(join(dataDir, 'data'))).toMatchObject({
      state: 'failed',
      found: expect.stringMatching(/^cannot be created: EACCES/),
    });
  });

  it('is reported as damaged if it is too short', () => {
    writeFileSync(join(dataDir, 'auth-secret'), 'short');
    expect(() => readOrCreateSecret(dataDir)).toThrow('is damaged. Delete it and restart');
    expect(examineSecret(dataDir)).toMatchObject({ state: 'failed', found: 'damaged' });
  });
});

import { expect, it } from 'vitest';
import { currentPlatform, problemOfPlatform } from './platform.ts';

it('the embedded PostgreSQL accepts the platform of the tests', () => {
  expect(problemOfPlatform(currentPlatform())).toBeUndefined();
});

it.each([
  { platform: 'linux', arch: 'x64', isMusl: false },
  { platform: 'linux', arch: 'arm64', isMusl: false },
  { platform: 'darwin', arch: 'arm64', isMusl: false },
  { platform: 'darwin', arch: 'x64', isMusl: false },
])('the embedded PostgreSQL accepts $platform-$arch', (platform) => {
  expect(problemOfPlatform(platform)).toBeUndefined();
});

it.each([
  [{ platform: 'linux', arch: 'x64', isMusl: true }, 'linux-x64 with musl'],
  [{ platform: 'win32', arch: 'x64', isMusl: false }, 'win32-x64'],
  [{ platform: 'linux', arch: 'ppc64', isMusl: false }, 'linux-ppc64'],
  [{ platform: 'freebsd', arch: 'x64', isMusl: false }, 'freebsd-x64'],
])('the embedded PostgreSQL refuses %o, and the error says what to do', (platform, name) => {
  expect(problemOfPlatform(platform)).toBe(
    `Unseen brings PostgreSQL for Linux with glibc and for macOS, on x64 and arm64, but this is ${name}. Set DATABASE_URL to a PostgreSQL server.`,
  );
});

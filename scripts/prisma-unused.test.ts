import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface Installed {
  readonly link?: boolean;
  readonly resolved?: string;
}

const lockFile = readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8');
const { packages } = JSON.parse(lockFile) as { readonly packages: Readonly<Record<string, Installed>> };

// A new release of Prisma may require other versions. Then set `version` in
// scripts/prisma-unused/*/package.json.
it.each(['@prisma/dev', '@prisma/studio-core', 'mysql2'])('installs an empty package for %s', (name) => {
  const places = Object.keys(packages).filter((place) => place.endsWith(`node_modules/${name}`));
  expect(places).toEqual([`node_modules/${name}`]);
  expect(packages[`node_modules/${name}`]).toMatchObject({
    link: true,
    resolved: expect.stringMatching(/^scripts\/prisma-unused\//),
  });
});

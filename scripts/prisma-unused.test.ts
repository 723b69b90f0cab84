import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface Installed {
  readonly link?: boolean;
  readonly resolved?: string;
}

const lockFile = readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8');
const { packages } = JSON.parse(lockFile) as { readonly packages: Readonly<Record<string, Installed>> };

// If a new release of Prisma requires other versions, set `version` in scripts/prisma-unused/*/package.json.
it.each(['@prisma/dev', '@prisma/studio-core', 'mysql2'])(
  'npm installs an empty package instead of %s',
  (name) => {
    const places = Object.keys(packages).filter((place) => place.endsWith(`node_modules/${name}`));
    expect(places).toEqual([`node_modules/${name}`]);
    expect(packages[`node_modules/${name}`]).toMatchObject({
      link: true,
      resolved: expect.stringMatching(/^scripts\/prisma-unused\//),
    });
  },
);

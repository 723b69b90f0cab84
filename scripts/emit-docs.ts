import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { apiPages } from './docs/api.ts';
import { configurationPage } from './docs/configuration.ts';
import { errorsPage } from './docs/errors.ts';
import { schemaPages } from './docs/schemas.ts';

// Writes the generated pages of the manual. With --check the script only compares the pages with their files.
const pages: Readonly<Record<string, string>> = {
  'docs/configuration.md': configurationPage(),
  'docs/errors.md': errorsPage(),
  ...apiPages(),
  ...schemaPages(),
};

const stale = Object.entries(pages).filter(([file, text]) => readIfThere(file) !== text);
if (!process.argv.includes('--check')) {
  for (const [file, text] of stale) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
} else if (stale.length > 0) {
  console.error(
    `${stale.map(([file]) => file).join(', ')}: the pages differ from the code. Run \`npm run generate:docs\`.`,
  );
  process.exit(1);
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

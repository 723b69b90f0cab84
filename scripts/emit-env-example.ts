import { readFileSync, writeFileSync } from 'node:fs';
import { envExample } from '../src/config/settings.ts';

// Writes .env.example from the settings; with --check only compares.
const file = '.env.example';
if (!process.argv.includes('--check')) writeFileSync(file, envExample());
else if (readFileSync(file, 'utf8') !== envExample()) {
  console.error(`${file} differs from src/config/settings.ts: run \`npm run generate:env\``);
  process.exit(1);
}

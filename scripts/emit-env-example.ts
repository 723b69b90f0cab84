import { readFileSync, writeFileSync } from 'node:fs';
import { envExample } from '../src/config/settings.ts';

// Writes .env.example from the settings. With --check the script only compares the settings with the file.
const file = '.env.example';
if (!process.argv.includes('--check')) writeFileSync(file, envExample());
else if (readFileSync(file, 'utf8') !== envExample()) {
  console.error(`${file} differs from src/config/settings.ts. Run \`npm run generate:env\`.`);
  process.exit(1);
}

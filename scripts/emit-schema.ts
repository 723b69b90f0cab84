import { readFileSync, writeFileSync } from 'node:fs';
import { printedSchema } from '../src/graphql/schema.ts';

// Writes schema.graphql from the classes. With --check the script only compares the classes with the file.
const file = 'schema.graphql';
const expected = printedSchema();
if (!process.argv.includes('--check')) writeFileSync(file, expected);
else if (readFileSync(file, 'utf8') !== expected) {
  console.error(`${file} differs from the code. Run \`npm run generate:schema\` and review the difference.`);
  process.exit(1);
}

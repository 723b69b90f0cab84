#!/usr/bin/env node
import { problemOfNode } from './cli/node-version.ts';

const problem = problemOfNode(process.versions.node);
if (problem === undefined) {
  // The import comes after the check because an older Node.js cannot parse the imported files.
  import('./cli/program.ts').then(({ run }) => run(process.argv));
} else {
  console.error(`unseen: ${problem}`);
  process.exitCode = 1;
}

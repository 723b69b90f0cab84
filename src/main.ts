#!/usr/bin/env node
import { problemOfNode } from './cli/node-version.ts';

const problem = problemOfNode(process.versions.node);
if (problem === undefined) {
  // Imported only now: an older Node.js cannot even parse these files.
  import('./cli/program.ts').then(({ run }) => run(process.argv));
} else {
  console.error(`unseen: ${problem}`);
  process.exitCode = 1;
}

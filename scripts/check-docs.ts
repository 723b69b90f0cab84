import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import {
  buildSchema,
  type GraphQLSchema,
  NoUnusedFragmentsRule,
  parse,
  specifiedRules,
  validate,
} from 'graphql';

// Checks the README and the manual after `npm run docs`: links with their anchors, and TypeScript and GraphQL
// in code blocks. Each `ts` or `tsx` block is a separate module. A `typescript` block shows a part of a file
// and is not compiled.

interface Block {
  readonly file: string;
  readonly line: number;
  readonly language: string;
  readonly code: string;
}

const site = 'dist/docs';
const pages = [
  'README.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && !file.includes('node_modules'))
    .map((file) => join('docs', file)),
];
const blocks = pages.flatMap(blocksOf);

const problems = [...brokenLinks(), ...brokenReadmeLinks(), ...invalidDocuments(), ...typeErrors()];
for (const problem of problems) console.error(problem);
console.log(`${pages.length} pages, ${blocks.length} code blocks, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;

function blocksOf(file: string): readonly Block[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(({ 1: language = '', 2: code = '', index }) => ({
    file,
    line: text.slice(0, index).split('\n').length,
    language,
    code,
  }));
}

/** Returns the links of the built site whose page, file or anchor does not exist. */
function brokenLinks(): readonly string[] {
  const files = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.html'),
  );
  return files.flatMap((file) => {
    const html = readFileSync(join(site, file), 'utf8');
    const links = [...html.matchAll(/<a [^>]*?href="([^"]+)"/g)].map(([, href = '']) => href);
    return [...new Set(links)]
      .filter((href) => !/^[a-z]+:/.test(href))
      .filter((href) => !isInSite(new URL(href, `http://site/docs/${file}`)))
      .map((href) => `${site}/${file}: the target of the link ${href} does not exist`);
  });
}

function isInSite({ pathname, hash }: URL): boolean {
  if (!pathname.startsWith('/docs/')) return false;
  const path = pathname.slice('/docs/'.length);
  const file = [path, `${path}.html`, join(path, 'index.html')]
    .map((one) => join(site, one))
    .find((one) => /\.\w+$/.test(one) && existsSync(one));
  if (file === undefined) return false;
  return hash === '' || readFileSync(file, 'utf8').includes(`id="${decodeURIComponent(hash.slice(1))}"`);
}

/** Returns the links of the README whose file or anchor does not exist. */
function brokenReadmeLinks(): readonly string[] {
  const text = readFileSync('README.md', 'utf8');
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, href = '']) => href);
  return [...new Set(links)]
    .filter((href) => !/^[a-z]+:/.test(href))
    .filter((href) => {
      const [path = '', anchor] = href.split('#');
      if (!existsSync(path)) return true;
      const page = `/${path.replace(/\.md$/, '')}`;
      return anchor !== undefined && !isInSite(new URL(`http://site${page}#${anchor}`));
    })
    .map((href) => `README.md: the target of the link ${href} does not exist`);
}

/**
 * Returns the problems of the GraphQL documents that do not match the schema. Documents are `graphql` blocks,
 * and strings in `ts` blocks that begin like a document.
 */
function invalidDocuments(): readonly string[] {
  const schema = buildSchema(readFileSync('schema.graphql', 'utf8'));
  return blocks.flatMap((block) =>
    documentsIn(block).flatMap((document) =>
      documentProblems(schema, document).map((problem) => `${block.file}:${block.line}: ${problem}`),
    ),
  );
}

function documentsIn({ language, code }: Block): readonly string[] {
  if (language === 'graphql') return [code];
  if (language !== 'ts' && language !== 'tsx') return [];
  const texts = [...code.matchAll(/`([^`]*)`|'([^'\n]*)'/g)].map(([, long, short]) => long ?? short ?? '');
  return texts.filter(
    (text) => /^\s*(query|mutation|subscription)?\b[^{}]*\{\s*\w/.test(text) && !text.includes('${'),
  );
}

function documentProblems(schema: GraphQLSchema, document: string): readonly string[] {
  try {
    const rules = specifiedRules.filter((rule) => rule !== NoUnusedFragmentsRule);
    return validate(schema, parse(document), rules).map(({ message }) => message);
  } catch (error) {
    return [String(error)];
  }
}

/** Compiles each block as a separate file with all strict checks. Returns the messages of the compiler. */
function typeErrors(): readonly string[] {
  const directory = '.build/docs-blocks';
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const sources = blocks.filter(({ language }) => language === 'ts' || language === 'tsx');
  for (const { file, line, language, code } of sources) {
    // The line breaks keep the line numbers, and `export` makes a block without imports a module.
    const source = `${'\n'.repeat(line)}${code}export {};\n`;
    writeFileSync(join(directory, `${file.replaceAll('/', '-')}.${line}.${language}`), source);
  }
  const options = {
    extends: relative(directory, 'tsconfig.json'),
    compilerOptions: { noUnusedLocals: false },
    include: ['.'],
  };
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(options));
  try {
    execFileSync('npx', ['tsc', '--noEmit', '--pretty', 'false', '-p', directory], { encoding: 'utf8' });
    return [];
  } catch (error) {
    return (error as { stdout: string }).stdout.trim().split('\n');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

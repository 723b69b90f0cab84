// main.ts imports only this file before it checks the version. So old versions of Node.js must be able to parse both
// files. Neither file uses `?.` or `??`, because old versions do not know these operators.

/** The oldest version Unseen runs on, as `engines` in package.json says. */
const oldest = { major: 20, minor: 19 };

/**
 * Returns the reason why Unseen cannot run on this version of Node.js, and the fix. Returns undefined if
 * Unseen can run.
 */
export function problemOfNode(version: string): string | undefined {
  const [major, minor] = version.replace(/^v/, '').split('.').map(Number) as [number, number];
  if (major > oldest.major || (major === oldest.major && minor >= oldest.minor)) return undefined;
  return `Unseen needs Node.js ${oldest.major}.${oldest.minor} or newer, but this is Node.js ${version}. Install a newer version, for example from https://nodejs.org.`;
}

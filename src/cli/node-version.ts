// main.ts imports only this file before it checks the version. So old versions of Node.js must be able to parse both
// files, which therefore use no `?.` and no `??`.

/** The oldest version Unseen runs on, as `engines` in package.json says. */
const oldest = { major: 20, minor: 19 };

/** The reason why Unseen cannot run on this version of Node.js, with the fix. undefined if Unseen can run. */
export function problemOfNode(version: string): string | undefined {
  const [major, minor] = version.replace(/^v/, '').split('.').map(Number) as [number, number];
  if (major > oldest.major || (major === oldest.major && minor >= oldest.minor)) return undefined;
  return `Unseen needs Node.js ${oldest.major}.${oldest.minor} or newer, but this is Node.js ${version}. Install a newer version, for example from https://nodejs.org.`;
}

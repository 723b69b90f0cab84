// main.ts imports only this file before it knows the version, so both must parse on old versions: no `?.`, no `??`.

/** The oldest version Unseen runs on, as `engines` in package.json says. */
const oldest = { major: 20, minor: 19 };

/** Why Unseen cannot run on this version of Node.js, and what to do. undefined if it can. */
export function problemOfNode(version: string): string | undefined {
  const [major, minor] = version.replace(/^v/, '').split('.').map(Number) as [number, number];
  if (major > oldest.major || (major === oldest.major && minor >= oldest.minor)) return undefined;
  return `Unseen needs Node.js ${oldest.major}.${oldest.minor} or newer, but this is Node.js ${version}. Install a newer version, for example from https://nodejs.org.`;
}

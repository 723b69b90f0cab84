import { AppError } from '../../../domain/error.ts';

/** The properties that decide whether the programs of the embedded PostgreSQL can run. */
export interface Platform {
  readonly platform: string;
  readonly arch: string;
  /** Whether the C library is musl, as on Alpine Linux, instead of glibc. */
  readonly isMusl: boolean;
}

/** The platform of this process. */
export function currentPlatform(): Platform {
  const { platform, arch } = process;
  return { platform, arch, isMusl: platform === 'linux' && !hasGlibc() };
}

function hasGlibc(): boolean {
  // Without this setting, creating a report looks up the names of network addresses.
  Object.assign(process.report, { excludeNetwork: true });
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime !== undefined;
}

/**
 * Returns a text that says why the embedded PostgreSQL cannot run on a platform, and what to do. Undefined if
 * it can run.
 */
export function problemOfPlatform({ platform, arch, isMusl }: Platform): string | undefined {
  const isSupported = ['linux', 'darwin'].includes(platform) && ['x64', 'arm64'].includes(arch) && !isMusl;
  if (isSupported) return undefined;
  const here = `${platform}-${arch}${isMusl ? ' with musl' : ''}`;
  return (
    'Unseen brings PostgreSQL for Linux with glibc and for macOS, on x64 and arm64, ' +
    `but this is ${here}. Set DATABASE_URL to a PostgreSQL server.`
  );
}

/** Throws START_REFUSED if the embedded PostgreSQL cannot run on this platform. */
export function expectSupportedPlatform(): void {
  const problem = problemOfPlatform(currentPlatform());
  if (problem !== undefined) throw new AppError('START_REFUSED', problem);
}

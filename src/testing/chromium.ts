import { type Browser, chromium } from 'playwright-core';
import { findProgram } from '../../scripts/services/programs.ts';

/** Starts the browser of this machine; CHROMIUM names another. Rejects with MissingProgramError. */
export async function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: findProgram('chromium'),
    // Everything that would speak to the network by itself is off; the sandbox needs a user that is not root.
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

import { type Browser, chromium } from 'playwright-core';
import { findProgram } from '../../scripts/services/programs.ts';

/**
 * Starts the browser of this machine. CHROMIUM names another executable. Rejects with MissingProgramError.
 */
export async function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: findProgram('chromium'),
    // The options stop Chromium from using the network on its own. Chromium's sandbox does not work for root.
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

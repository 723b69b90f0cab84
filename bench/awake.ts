import { closeSync, openSync, writeSync } from 'node:fs';

/**
 * Keeps idle cores from going to sleep until the function it returns is called; undefined where the kernel does not let us.
 * A request to a server that asks Postgres waits four times for a core to wake up, the statement alone twice, and on a
 * virtual machine each time takes as long as a small query. Linux, as root: a latency of 0 µs is asked for as long as the
 * file stays open (https://docs.kernel.org/power/pm_qos_interface.html).
 */
export function keepAwake(): (() => void) | undefined {
  try {
    const request = openSync('/dev/cpu_dma_latency', 'w');
    writeSync(request, new Int32Array([0]));
    return () => closeSync(request);
  } catch {
    return undefined;
  }
}

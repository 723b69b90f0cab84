import { closeSync, openSync, writeSync } from 'node:fs';

/**
 * Keeps idle cores awake until the caller calls the returned function. Returns undefined if the kernel does
 * not allow this. A request to a server that queries PostgreSQL waits four times for a core to wake up, and
 * the statement alone waits twice. On a virtual machine each wait takes as long as a small query. Only for
 * root on Linux: the open file requests a latency of 0 µs
 * (https://docs.kernel.org/power/pm_qos_interface.html).
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

import { performance } from 'node:perf_hooks';
import { Gauge, Registry } from 'prom-client';

/** What a gauge shows, read when somebody asks. */
export interface Reading {
  readonly name: string;
  readonly help: string;
  /** A rejection leaves the gauge out of the answer, which says more than an old number. */
  read(): number | Promise<number>;
}

/** Metrics as Prometheus reads them. */
export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
}

/**
 * The usual ones of a process, under their usual names. Read on demand: the library's own observe every garbage collection
 * and every turn of the event loop, a twentieth of the work of a bulk append.
 */
const ofTheProcess: readonly Reading[] = [
  {
    name: 'process_cpu_seconds_total',
    help: 'CPU time used, in seconds.',
    read: () => (process.cpuUsage().user + process.cpuUsage().system) / 1e6,
  },
  {
    name: 'process_resident_memory_bytes',
    help: 'Resident memory, in bytes.',
    read: () => process.memoryUsage.rss(),
  },
  {
    name: 'nodejs_heap_size_used_bytes',
    help: 'Heap in use, in bytes.',
    read: () => process.memoryUsage().heapUsed,
  },
  {
    name: 'nodejs_eventloop_utilization',
    help: 'Share of its time that the event loop was busy since the start, 0 to 1.',
    read: () => performance.eventLoopUtilization().utilization,
  },
];

/** Those of the process and the given ones. No label names a user or a tenant. */
export function createMetrics(readings: readonly Reading[]): Metrics {
  const registry = new Registry();
  for (const { name, help, read } of [...ofTheProcess, ...readings]) {
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        try {
          this.set(await read());
        } catch {
          this.remove();
        }
      },
    });
  }
  return { contentType: registry.contentType, text: () => registry.metrics() };
}

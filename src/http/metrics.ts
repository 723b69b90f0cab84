import { performance } from 'node:perf_hooks';
import { Gauge, Registry } from 'prom-client';

/** What a gauge shows, read when somebody asks. */
export type Reading = Plain | Labelled;

interface Named {
  readonly name: string;
  readonly help: string;
}

/** One number. A rejection of `read` leaves the gauge out of the answer, which says more than an old number. */
interface Plain extends Named {
  readonly label?: undefined;
  read(): number | Promise<number>;
}

interface Labelled extends Named {
  /** The name of the one label. */
  readonly label: string;
  /** A number by each value of the label. */
  read(): Readonly<Record<string, number>> | Promise<Readonly<Record<string, number>>>;
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
const ofTheProcess: readonly Plain[] = [
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
  for (const reading of [...ofTheProcess, ...readings]) {
    new Gauge({
      name: reading.name,
      help: reading.help,
      labelNames: reading.label === undefined ? [] : [reading.label],
      registers: [registry],
      async collect() {
        // What an earlier reading found, and a label value that is gone, are left out.
        const values = await valuesOf(reading).catch(() => []);
        if (reading.label === undefined) this.remove();
        else this.reset();
        for (const { labels, value } of values) this.set(labels, value);
      },
    });
  }
  return { contentType: registry.contentType, text: () => registry.metrics() };
}

async function valuesOf(reading: Reading) {
  if (reading.label === undefined) return [{ labels: {}, value: await reading.read() }];
  const { label, read } = reading;
  return Object.entries(await read()).map(([name, value]) => ({ labels: { [label]: name }, value }));
}

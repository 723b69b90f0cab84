import { performance } from 'node:perf_hooks';
import { Gauge, Registry } from 'prom-client';

/** A gauge. Its value is read when Prometheus scrapes the metrics. */
export type Reading = Plain | Labelled;

interface Named {
  readonly name: string;
  readonly help: string;
}

/**
 * A gauge with one number. If `read` rejects, the metrics do not contain the gauge, because an old number
 * would be misleading.
 */
interface Plain extends Named {
  readonly label?: undefined;
  read(): number | Promise<number>;
}

interface Labelled extends Named {
  /** The name of the label of the gauge. */
  readonly label: string;
  /** Reads a number for each value of the label. */
  read(): Readonly<Record<string, number>> | Promise<Readonly<Record<string, number>>>;
}

/** The metrics in the text format of Prometheus. */
export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
}

/**
 * The common metrics of a Node.js process, with their usual names. The metrics are read when Prometheus
 * scrapes them. The default metrics of the library would observe every garbage collection and every turn of
 * the event loop, which would take a twentieth of the time of a bulk append.
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
    help: 'The share of time since the start that the event loop was busy, 0 to 1.',
    read: () => performance.eventLoopUtilization().utilization,
  },
];

/** Creates the metrics of the process together with `readings`. No label names a user or a tenant. */
export function createMetrics(readings: readonly Reading[]): Metrics {
  const registry = new Registry();
  for (const reading of [...ofTheProcess, ...readings]) {
    new Gauge({
      name: reading.name,
      help: reading.help,
      labelNames: reading.label === undefined ? [] : [reading.label],
      registers: [registry],
      async collect() {
        // Removes the previous values first. Otherwise, old values would stay if a reading fails or a label
        // value no longer exists.
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

import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

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

/** Those of the process (memory, event loop, garbage collection) and the given ones. No label names a user or a tenant. */
export function createMetrics(readings: readonly Reading[]): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const { name, help, read } of readings) {
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

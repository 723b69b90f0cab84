import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { killChildren, startChild } from './child.ts';
import { compile } from './compile.ts';
import { reserveServerCore } from './cores.ts';
import { goals } from './goals.ts';
import { type BenchKafka, startBenchKafka } from './kafka.ts';
import { type BenchOptions, help, readOptions } from './options.ts';
import { type Postgres, startPostgres } from './postgres.ts';
import { type BenchRedis, startBenchRedis } from './redis.ts';
import { figureTable, goalTable, outcomesOf } from './report.ts';
import { type Bench, runSuite, type Samples, type Suite } from './suite.ts';
import { activitySuite } from './suites/activity.ts';
import { consumeSuite, flushSizeSuite, limitEventsSuite, metricsCostSuite } from './suites/consume.ts';
import { inboxSuite, tableSuite } from './suites/inbox.ts';
import { limitsSuite } from './suites/limits.ts';
import { liveSuites } from './suites/live.ts';
import { pushSuite } from './suites/push.ts';
import { recordSuites } from './suites/record.ts';
import { statsSizesSuite, statsSuite } from './suites/stats.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const suites: readonly Suite[] = [
  ...recordSuites,
  consumeSuite,
  limitEventsSuite,
  metricsCostSuite,
  flushSizeSuite,
  statsSuite,
  statsSizesSuite,
  activitySuite,
  inboxSuite,
  tableSuite,
  limitsSuite,
  pushSuite,
  ...liveSuites,
];

const options = readOptions(process.argv.slice(2), root);
if (options) await main(options);
else console.log(help);

async function main(options: BenchOptions): Promise<void> {
  if (!existsSync(join(options.dist, 'app.js'))) {
    console.error(`${options.dist} contains no built server. Run \`npm run build\` first.`);
    process.exit(1);
  }
  const wanted = goals.filter(({ number }) => options.only.size === 0 || options.only.has(number));
  let postgres: Postgres | undefined;
  let kafka: BenchKafka | undefined;
  let redis: BenchRedis | undefined;
  let stopping: Promise<void> | undefined;
  const stop = () => {
    killChildren();
    stopping ??= Promise.all([postgres?.stop(), kafka?.stop(), redis?.stop()]).then(() => {});
    return stopping;
  };
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => void stop().finally(() => process.exit(code)));
  }

  const startedAt = performance.now();
  const progress = (text: string) => {
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    console.error(`${String(seconds).padStart(4)} s  ${text}`);
  };
  try {
    progress('compiling the bench');
    const compiled = await compile(root);
    const cores = reserveServerCore();
    progress('starting PostgreSQL');
    postgres = await startPostgres(options.dist);
    const nodeOptions =
      options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`];
    const startLoad = () => startChild(join(compiled, 'load/main.js'), {});
    const bench: Bench = {
      options,
      cores,
      postgres,
      load: await startLoad(),
      startLoad,
      async kafkaBroker() {
        kafka ??= await startBenchKafka();
        return kafka.broker;
      },
      async redisUrl() {
        redis ??= await startBenchRedis();
        return redis.url;
      },
      secret: randomBytes(32).toString('hex'),
      startServer: (name, argument) =>
        startChild(join(compiled, `servers/${name}.js`), argument, {
          prefix: cores.onServerCore,
          nodeOptions: ['--expose-gc', ...nodeOptions],
        }),
    };
    const machine = {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      pinning: cores.description,
      node: process.version,
      fsyncMs: postgres.fsyncMs,
      loadAverage: loadavg()[0],
    };
    const measured = new Map<string, Samples>();
    for (const suite of suites) {
      const variants = wanted.flatMap(({ suite: name, ours, other }) =>
        name === suite.name ? [ours.variant, other.variant] : [],
      );
      if (variants.length === 0) continue;
      measured.set(
        suite.name,
        await runSuite(bench, suite, new Set(variants), (text) => progress(`${suite.name}: ${text}`)),
      );
    }
    await bench.load.stop();

    const outcomes = outcomesOf(measured).filter(({ goal }) => wanted.includes(goal));
    const { seconds, rounds, warmUpSeconds } = options;
    const results = {
      at: new Date().toISOString(),
      options: { seconds, rounds, warmUpSeconds },
      machine,
      outcomes,
      samples: Object.fromEntries(
        [...measured].map(([suite, samples]) => [suite, Object.fromEntries(samples)]),
      ),
    };
    const directory = join(root, 'bench/results');
    mkdirSync(directory, { recursive: true });
    const file = join(directory, `${results.at.replaceAll(/[:.]/g, '-')}.json`);
    writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);

    const { cpu, cores: count, pinning, node, fsyncMs, loadAverage } = machine;
    console.log(`\n${cpu}, ${count} cores (${pinning}), Node ${node}, fsync ${fsyncMs.toFixed(2)} ms,`);
    console.log(
      `load average ${loadAverage?.toFixed(2)} before; medians of ${rounds} rounds of ${seconds} s.\n`,
    );
    console.log(`${goalTable(outcomes)}\n\n${figureTable(measured)}\n`);
    progress(`done; all figures in ${file}`);
    if (outcomes.some(({ verdict }) => verdict === 'MISS')) process.exitCode = 1;
  } finally {
    await stop();
  }
}

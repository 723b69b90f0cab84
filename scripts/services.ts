import { parseArgs } from 'node:util';
import {
  down,
  missingForServices,
  missingForTests,
  type Options,
  status,
  summaryOf,
  up,
} from './services/lifecycle.ts';
import { installPrograms } from './services/programs.ts';
import { type ServiceName, serviceNames, variableOf } from './services/service.ts';

const usage = `Usage: npm run services -- up      make Kafka, Redis and PostgreSQL reachable, and print their addresses
       npm run services -- down    stop the services that up started
       npm run services -- status  print one line per service, exit 1 unless all are ready
       npm run services -- install install the missing programs that the tests need

In a shell: eval "$(npm run -s services -- up)"

For each service, up takes the first way that works:
  1. the service at KAFKA_BROKERS, REDIS_URL or DATABASE_URL of the environment
  2. Docker Compose
  3. installed programs (java, redis-server, PostgreSQL); up downloads Kafka itself from Maven Central
A service that up starts listens on 127.0.0.1 only.

install uses apt-get (as root or with sudo) or Homebrew. On other systems it lists the programs to install: java and
mvn for Kafka, redis-server, PostgreSQL and Chromium. install starts no program and may be repeated.

Options:
  --only NAMES  some of kafka, redis, postgres, separated by commas
  --install     with up: install missing programs first
  --no-docker   with up: do not use Docker Compose
  --purge       with down: also remove the data
  --dir DIR     the directory of data and records, default .services
  --help`;

/** Runs the command. Returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      only: { type: 'string' },
      install: { type: 'boolean', default: false },
      'no-docker': { type: 'boolean', default: false },
      purge: { type: 'boolean', default: false },
      dir: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const [command, ...rest] = positionals;
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const options: Options = {
    ...(values.only !== undefined && { only: namesIn(values.only) }),
    ...(values.dir !== undefined && { directory: values.dir }),
    docker: !values['no-docker'],
    install: values.install,
  };
  const run = rest.length === 0 && command !== undefined ? commands.get(command) : undefined;
  if (run !== undefined) return run(options, values.purge);
  console.error(usage);
  return 1;
}

const commands = new Map<string, (options: Options, purge: boolean) => Promise<number>>([
  [
    'up',
    async (options) => {
      for (const { name, url } of await up(options)) {
        console.log(`export ${variableOf[name]}='${url.replaceAll("'", "'\\''")}'`);
      }
      return 0;
    },
  ],
  [
    'down',
    async (options, purge) => {
      const stopped = await down({ ...options, purge });
      console.error(stopped.length === 0 ? 'nothing to stop' : `stopped: ${stopped.join(', ')}`);
      return 0;
    },
  ],
  [
    'install',
    async ({ only }) => {
      const missing = only ? missingForServices({ only }) : missingForTests();
      if (missing.length === 0) console.error('nothing to install');
      else await installPrograms(missing);
      return 0;
    },
  ],
  [
    'status',
    async (options) => {
      const { only = serviceNames } = options;
      const services = await status(options);
      for (const [index, name] of only.entries()) {
        const service = services[index];
        console.log(service === undefined ? `${name.padEnd(8)}  not running` : summaryOf(service));
      }
      return services.every((service) => service !== undefined && service.problem === undefined) ? 0 : 1;
    },
  ],
]);

/** Parses the list of services in --only. Throws if a name is not a service. */
function namesIn(list: string): readonly ServiceName[] {
  const names = list.split(',').map((word) => {
    const name = serviceNames.find((one) => one === word.trim());
    if (name === undefined)
      throw new Error(`--only: unknown service "${word}". Use ${serviceNames.join(', ')}.`);
    return name;
  });
  return [...new Set(names)];
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

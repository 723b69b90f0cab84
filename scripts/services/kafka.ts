import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withLock } from './lock.ts';
import { findProgram, run } from './programs.ts';
import { makeOnce, type Recipe } from './recipe.ts';
import { freePort } from './service.ts';

const version = '4.3.1';

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>unseen</groupId>
  <artifactId>kafka</artifactId>
  <version>${version}</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${version}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`;
const copyDependencies = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

const jarsIn = (cache: string) => join(cache, `kafka-${version}`);
const isFetched = (cache: string) => statSync(jarsIn(cache), { throwIfNoEntry: false }) !== undefined;

/** Kafka's own jars as published on Maven Central; 44 MB, fetched once. */
async function fetchJars(cache: string): Promise<string> {
  if (isFetched(cache)) return jarsIn(cache);
  await withLock(`${jarsIn(cache)}.lock`, () =>
    makeOnce(jarsIn(cache), async (draft) => {
      writeFileSync(join(draft, 'pom.xml'), pom);
      const args = ['-q', '-B', copyDependencies, '-DoutputDirectory=.', '-DincludeScope=runtime'];
      await run(findProgram('mvn'), args, { cwd: draft });
      // Others may use what root has fetched.
      chmodSync(draft, 0o755);
    }),
  );
  return jarsIn(cache);
}

/** Kafka's defaults but for what makes one small node start fast and come back fast. */
function settings(port: number, controllerPort: number, logDirectory: string): string {
  const alone = ['replication.factor', 'min.isr'].flatMap((key) =>
    ['transaction.state.log', 'share.coordinator.state.topic'].map((prefix) => [`${prefix}.${key}`, '1']),
  );
  const entries = [
    ['process.roles', 'broker,controller'],
    ['node.id', '1'],
    ['controller.quorum.bootstrap.servers', `127.0.0.1:${controllerPort}`],
    ['listeners', `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`],
    ['advertised.listeners', `PLAINTEXT://127.0.0.1:${port}`],
    ['listener.security.protocol.map', 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT'],
    ['controller.listener.names', 'CONTROLLER'],
    ['inter.broker.listener.name', 'PLAINTEXT'],
    ['log.dirs', logDirectory],
    ['auto.create.topics.enable', 'false'],
    ['offsets.topic.replication.factor', '1'],
    ...alone,
    ['offsets.topic.num.partitions', '1'],
    ['transaction.state.log.num.partitions', '1'],
    ['group.initial.rebalance.delay.ms', '0'],
    ['group.min.session.timeout.ms', '1000'],
    // After kill -9 the old registration must lapse before the broker is back: 3 s, with the default of 9 s
    // it is 12 s.
    ['broker.session.timeout.ms', '1500'],
    ['broker.heartbeat.interval.ms', '300'],
    // The default of 128 MB does not fit the heap.
    ['log.cleaner.dedupe.buffer.size', '2097152'],
  ];
  return entries.map(([key, value]) => `${key}=${value}\n`).join('');
}

const jvm = ['-Xms64m', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
const logging = [
  '-Dorg.slf4j.simpleLogger.showDateTime=true',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
];

/** Kafka in KRaft mode: broker and controller in one process, no password. */
export const kafka: Recipe = {
  name: 'kafka',
  stopSignal: 'SIGTERM',
  programs: (cache) => (isFetched(cache) ? ['java'] : ['java', 'mvn']),
  async prepare({ directory, port, cache }) {
    const java = findProgram('java');
    const classPath = ['-cp', join(await fetchJars(cache), '*')];
    mkdirSync(directory, { recursive: true });
    const settingsFile = join(directory, 'server.properties');
    // Only the node itself uses it, and it finds out when it has changed.
    const controllerPort = await freePort();
    await makeOnce(join(directory, 'data'), async (draft) => {
      writeFileSync(settingsFile, settings(port, controllerPort, draft));
      const format = ['format', '--standalone', '-t', clusterId(), '-c', settingsFile];
      await run(java, [...jvm, ...classPath, 'kafka.tools.StorageTool', ...format]);
    });
    writeFileSync(settingsFile, settings(port, controllerPort, join(directory, 'data')));
    return {
      command: {
        program: java,
        args: [...jvm, ...logging, ...classPath, 'kafka.Kafka', settingsFile],
        directory,
      },
      url: `127.0.0.1:${port}`,
    };
  },
};

/** As Kafka makes them, but one that begins with a hyphen would be taken for an option. */
function clusterId(): string {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? clusterId() : id;
}

import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withLock } from './lock.ts';
import { findProgram, run } from './programs.ts';
import { makeOnce, type Place, type Recipe } from './recipe.ts';
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

/** Fetches Kafka's own jars from Maven Central, 44 MB, once. Resolves with their directory. */
async function fetchJars(cache: string): Promise<string> {
  if (isFetched(cache)) return jarsIn(cache);
  await withLock(`${jarsIn(cache)}.lock`, () =>
    makeOnce(jarsIn(cache), async (draft) => {
      writeFileSync(join(draft, 'pom.xml'), pom);
      const args = ['-q', '-B', copyDependencies, '-DoutputDirectory=.', '-DincludeScope=runtime'];
      await run(findProgram('mvn'), args, { cwd: draft });
      // Other users may use the jars that root has fetched.
      chmodSync(draft, 0o755);
    }),
  );
  return jarsIn(cache);
}

/** A listener that requires TLS and a login by PLAIN or SCRAM, next to the open listener. */
export interface SecureListener {
  readonly port: number;
  /** A PKCS12 file with the private key and the certificate, and its password. */
  readonly keyStore: { readonly file: string; readonly password: string };
  readonly username: string;
  readonly password: string;
}

function secureSettings({ port, keyStore, username, password }: SecureListener) {
  const modules = 'org.apache.kafka.common.security';
  const login = (mechanism: string) => `listener.name.secure.${mechanism}.sasl.jaas.config`;
  const scram = `${modules}.scram.ScramLoginModule required;`;
  return {
    listener: `SECURE://127.0.0.1:${port}`,
    entries: [
      ['ssl.keystore.type', 'PKCS12'],
      ['ssl.keystore.location', keyStore.file],
      ['ssl.keystore.password', keyStore.password],
      ['listener.name.secure.sasl.enabled.mechanisms', 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512'],
      [login('plain'), `${modules}.plain.PlainLoginModule required user_${username}="${password}";`],
      [login('scram-sha-256'), scram],
      [login('scram-sha-512'), scram],
    ],
    /**
     * The arguments that format the data directory. The arguments contain the SCRAM passwords, because Kafka
     * stores these passwords in the data.
     */
    format: ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
      '--add-scram',
      `${mechanism}=[name=${username},password=${password}]`,
    ]),
  };
}

type SecureSettings = ReturnType<typeof secureSettings>;

/**
 * Returns Kafka's settings. The settings differ from the defaults so that one small node starts and recovers
 * fast.
 */
function settings(
  port: number,
  controllerPort: number,
  logDirectory: string,
  secure?: SecureSettings,
): string {
  const advertised = [`PLAINTEXT://127.0.0.1:${port}`, ...(secure ? [secure.listener] : [])].join();
  const alone = ['replication.factor', 'min.isr'].flatMap((key) =>
    ['transaction.state.log', 'share.coordinator.state.topic'].map((prefix) => [`${prefix}.${key}`, '1']),
  );
  const entries = [
    ['process.roles', 'broker,controller'],
    ['node.id', '1'],
    ['controller.quorum.bootstrap.servers', `127.0.0.1:${controllerPort}`],
    ['listeners', `${advertised},CONTROLLER://127.0.0.1:${controllerPort}`],
    ['advertised.listeners', advertised],
    ['listener.security.protocol.map', 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL'],
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
    // After kill -9 the broker must wait until its old registration expires. With this value the broker is
    // ready after 3 s, and with the default of 9 s it is ready after 12 s.
    ['broker.session.timeout.ms', '1500'],
    ['broker.heartbeat.interval.ms', '300'],
    // The default value of 128 MB does not fit into the heap.
    ['log.cleaner.dedupe.buffer.size', '2097152'],
    ...(secure?.entries ?? []),
  ];
  return entries.map(([key, value]) => `${key}=${value}\n`).join('');
}

const jvm = ['-Xms64m', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
const logging = [
  '-Dorg.slf4j.simpleLogger.showDateTime=true',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
];

/** Kafka in KRaft mode, with broker and controller in one process and without a password. */
export const kafka: Recipe = {
  name: 'kafka',
  stopSignal: 'SIGTERM',
  programs: (cache) => (isFetched(cache) ? ['java'] : ['java', 'mvn']),
  prepare: (place) => prepare(place),
};

/** Returns Kafka with an additional listener that requires a login. */
export const securedKafka = (listener: SecureListener): Recipe => ({
  ...kafka,
  prepare: (place) => prepare(place, secureSettings(listener)),
});

async function prepare({ directory, port, cache }: Place, secure?: SecureSettings) {
  const java = findProgram('java');
  const classPath = ['-cp', join(await fetchJars(cache), '*')];
  mkdirSync(directory, { recursive: true });
  const settingsFile = join(directory, 'server.properties');
  // Only the node itself uses this port, so the port may change at every start.
  const controllerPort = await freePort();
  await makeOnce(join(directory, 'data'), async (draft) => {
    writeFileSync(settingsFile, settings(port, controllerPort, draft, secure));
    const format = ['format', '--standalone', '-t', clusterId(), '-c', settingsFile];
    const passwords = secure?.format ?? [];
    await run(java, [...jvm, ...classPath, 'kafka.tools.StorageTool', ...format, ...passwords]);
  });
  writeFileSync(settingsFile, settings(port, controllerPort, join(directory, 'data'), secure));
  return {
    command: {
      program: java,
      args: [...jvm, ...logging, ...classPath, 'kafka.Kafka', settingsFile],
      directory,
    },
    url: `127.0.0.1:${port}`,
  };
}

/** Returns a cluster id in Kafka's format. Kafka would read an id with a leading hyphen as an option. */
function clusterId(): string {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? clusterId() : id;
}

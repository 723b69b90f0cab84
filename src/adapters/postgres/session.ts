import pg from 'pg';
import { serverUrls } from '../../ports/server-urls.ts';
import { reasonOf } from './error.ts';

/**
 * The lifetime of a session, in ms. The lifetime of each session varies by up to a fifth, so that sessions
 * that start together do not end together.
 */
const lifetimeMs = 30 * 60_000;

/**
 * The maximum time, in ms, for asking all servers of a URL whether they accept writes. It is shorter than the
 * time that a session may take to open.
 */
const choosingMs = 4_000;

/**
 * SQLSTATE classes and codes after which a statement fails again on this session but may succeed on another
 * session: connection, shutdown, a read-only server or session, a transaction that was idle for too long, a
 * prepared statement that the session does not know or that a migration made invalid.
 */
const lostState = /^(08|57P0|25006|25P03|26000|0A000)/;

const readOnlyState = '25006';

const readOnlySql = `SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool AS "isReadOnly"`;

/**
 * Maps each URL to the server that most recently accepted writes. This server is asked first, because another
 * server may not answer at all.
 */
const lastChosen = new Map<string, string>();

/**
 * A connection to PostgreSQL. All adapters connect with this class. If a URL has several hosts or
 * `target_session_attrs`, the session connects to the first server that accepts writes. `isSpent` says when a
 * session must not be used again.
 */
export class Session extends pg.Client {
  readonly #config: pg.ClientConfig;
  readonly #endsAt = performance.now() + lifetimeMs * (0.8 + 0.4 * Math.random());
  #isLost = false;
  #refusedWrite = false;
  #ended: Promise<void> | undefined;

  constructor(config: pg.ClientConfig = {}) {
    const { connectionString } = config;
    super(
      connectionString === undefined
        ? config
        : { ...config, connectionString: serverUrls(connectionString)[0] },
    );
    this.#config = config;
    // A pool attaches its error listener shortly after a session has opened. If the server shut down before
    // that, the error event would end the process without this listener.
    this.on('error', () => {});
    // The server's errors arrive here, including errors of a statement whose caller no longer waits.
    this.connection.on('errorMessage', ({ code = '' }: pg.DatabaseError) => {
      if (lostState.test(code)) this.#isLost = true;
      if (code === readOnlyState) this.#refusedWrite = true;
    });
  }

  /** Whether this session should be replaced, because it is unusable or older than its lifetime. */
  get isSpent(): boolean {
    return this.#isLost || performance.now() >= this.#endsAt;
  }

  /** The remaining lifetime of the session, in ms. */
  get lifeLeftMs(): number {
    return this.#endsAt - performance.now();
  }

  /**
   * Whether the server has refused a write of this session, because the server or the session is read-only.
   */
  get refusedWrite(): boolean {
    return this.#refusedWrite;
  }

  /** Ends the session when its user releases it. */
  retire(): void {
    this.#isLost = true;
  }

  override connect(): Promise<this>;
  override connect(callback: ((err: Error) => void) | ((err: null, client: this) => void)): void;
  override connect(callback?: (...args: never[]) => void): Promise<this> | undefined {
    const opened = this.#open();
    if (!callback) return opened;
    const done = callback as (error: unknown, client: this) => void;
    opened.then(
      () => done(null, this),
      (error) => done(error, this),
    );
    return undefined;
  }

  async #open(): Promise<this> {
    const { connectionString = '' } = this.#config;
    if (mustChoose(connectionString)) {
      const { host, port } = await chooseServer(this.#config, connectionString);
      if (this.#ended) throw new Error('Connection terminated');
      this.host = host;
      this.port = port;
    }
    await super.connect();
    return this;
  }

  /** May be called several times. */
  override end(): Promise<void>;
  override end(callback: (err: Error) => void): void;
  override end(callback?: (err: Error) => void): Promise<void> | undefined {
    this.#ended ??= super.end();
    if (!callback) return this.#ended;
    void this.#ended.then(callback as () => void);
    return undefined;
  }
}

function mustChoose(url: string): boolean {
  return serverUrls(url).length > 1 || /[?&]target_session_attrs=(read-write|primary)(&|$)/.test(url);
}

/** Whether the server or the session refuses writes. */
export async function isReadOnly(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ isReadOnly: boolean }>(readOnlySql);
  return rows[0]?.isReadOnly ?? false;
}

/**
 * Asks the servers of a URL one after another and returns the first that accepts writes. If none does,
 * rejects with the reason of each server.
 */
async function chooseServer(config: pg.ClientConfig, url: string): Promise<Pick<pg.Client, 'host' | 'port'>> {
  const servers = serverUrls(url);
  const last = lastChosen.get(url);
  const timeoutMs = choosingMs / servers.length;
  const refusals: Refusal[] = [];
  for (const server of servers.toSorted((a, b) => Number(b === last) - Number(a === last))) {
    const client = new pg.Client({
      ...config,
      connectionString: server,
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
    });
    client.on('error', () => {});
    try {
      await client.connect();
      if (await isReadOnly(client)) throw new Error('read-only');
      lastChosen.set(url, server);
      return { host: client.host, port: client.port };
    } catch (error) {
      refusals.push({ host: new URL(server).host, error });
    } finally {
      void client.end();
    }
  }
  lastChosen.delete(url);
  throw noServer(refusals);
}

/** The reason why a server was not chosen. */
interface Refusal {
  readonly host: string;
  readonly error: unknown;
}

/**
 * Returns the error for the case that no server accepts writes. If all servers refused the login or the
 * database for the same reason, returns that reason, otherwise a connection failure.
 */
function noServer(refusals: readonly Refusal[]): unknown {
  const codes = refusals.map(({ error }) => String((error as pg.DatabaseError).code));
  if (codes.every((code) => /^(28|3D000)/.test(code))) return refusals[0]?.error;
  const hosts = refusals.map(({ host }) => host).join(', ');
  const reasons = refusals.map(({ host, error }) => `${host}: ${reasonOf(error)}`).join(', ');
  const message = `none of the hosts ${hosts} accepts writes: ${reasons}`;
  return Object.assign(new Error(message), { code: '08001' });
}

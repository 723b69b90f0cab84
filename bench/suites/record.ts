import pg from 'pg';
import { api, apiAndWorker, bare, textbook } from '../goals.ts';
import { type LoadRequest, noErrors, recordPageView, recordPageViews, viewsPerCall } from '../requests.ts';
import type { BareOptions } from '../servers/bare.ts';
import type { TextbookOptions } from '../servers/textbook.ts';
import type { UnseenOptions } from '../servers/unseen.ts';
import { type Bench, type HttpLoad, type Running, type Sample, type Suite, underHttpLoad } from '../suite.ts';
import { userTokens } from '../tokens.ts';

/** The number of users, one per connection. */
const users = 64;

async function requestOf(bench: Bench, body: string): Promise<LoadRequest> {
  const tokens = await userTokens(bench, users);
  return { body, tokens: tokens.map(({ token }) => token), expect: noErrors };
}

const singles = async (bench: Bench): Promise<readonly HttpLoad[]> => {
  const request = await requestOf(bench, recordPageView);
  return [32, 64].map((connections) => ({
    suffix: `@${connections}`,
    connections,
    spin: false,
    request,
    events: 1,
  }));
};

const bulks = async (bench: Bench): Promise<readonly HttpLoad[]> => {
  const request = await requestOf(bench, recordPageViews);
  return [{ suffix: '', connections: 32, spin: false, request, events: viewsPerCall }];
};

const fromMemory = async (bench: Bench): Promise<readonly HttpLoad[]> => {
  const request = await requestOf(bench, recordPageView);
  return [{ suffix: '', connections: 64, spin: true, request, events: 1 }];
};

type Loads = (bench: Bench) => Promise<readonly HttpLoad[]>;

const unseen = (runs: UnseenOptions['runs'], loads: Loads) => async (bench: Bench) => {
  const databaseUrl = await bench.postgres.createDatabase('migrated');
  const options: UnseenOptions = { dist: bench.options.dist, databaseUrl, secret: bench.secret, runs };
  return underHttpLoad(bench, { name: 'unseen', options }, await loads(bench));
};

/**
 * Runs the API with a worker. The worker falls behind while it shares a core with a saturated API. The bench
 * counts the applied events and deletes all other events, so that these events do not disturb the turn of
 * another variant.
 */
const unseenWithWorker =
  (loads: Loads) =>
  async (bench: Bench): Promise<Running> => {
    const databaseUrl = await bench.postgres.createDatabase('migrated');
    const options: UnseenOptions = {
      dist: bench.options.dist,
      databaseUrl,
      secret: bench.secret,
      runs: 'api and worker',
    };
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    let position = 0;
    const afterLoad = async (seconds: number): Promise<Sample> => {
      const before = position;
      position = await positionOf(client);
      const applied = position - before;
      await client.query('TRUNCATE event_log');
      // The events of a batch that is still running do not count for the next turn.
      await new Promise((resolve) => setTimeout(resolve, 300));
      position = await positionOf(client);
      return { appliedPerSecond: applied / seconds };
    };
    const running = await underHttpLoad(bench, { name: 'unseen', options }, await loads(bench), afterLoad);
    return {
      turn: running.turn,
      async stop() {
        await running.stop();
        await client.end();
      },
    };
  };

async function positionOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ readonly position: string }>('SELECT position FROM log_position');
  return Number(rows[0]?.position ?? 0);
}

const textbookServer = (loads: Loads) => async (bench: Bench) => {
  const databaseUrl = await bench.postgres.createDatabase('migrated');
  const options: TextbookOptions = { dist: bench.options.dist, databaseUrl, secret: bench.secret };
  return underHttpLoad(bench, { name: 'textbook', options }, await loads(bench));
};

const bareServer = (loads: Loads, stores: boolean) => async (bench: Bench) => {
  const database = stores && { databaseUrl: await bench.postgres.createDatabase('empty') };
  const options: BareOptions = { dist: bench.options.dist, ...database };
  return underHttpLoad(bench, { name: 'bare', options }, await loads(bench));
};

const durable = (name: string, loads: Loads, count: number): Suite => ({
  name,
  loads: count,
  variants: {
    [api]: unseen('api', loads),
    [apiAndWorker]: unseenWithWorker(loads),
    [textbook]: textbookServer(loads),
    [bare]: bareServer(loads, true),
  },
});

export const recordSuites: readonly Suite[] = [
  {
    name: 'memory',
    loads: 1,
    variants: { [api]: unseen('memory', fromMemory), [bare]: bareServer(fromMemory, false) },
  },
  durable('record', singles, 2),
  durable('bulk', bulks, 1),
];

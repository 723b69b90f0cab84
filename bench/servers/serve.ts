import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * Returns a bare node:http server. The server parses the JSON body of every request and responds with the
 * result of `answer`.
 */
export function createBareServer(answer: (body: unknown) => string | Promise<string>): Server {
  return createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
    readBody(request, async (body) => {
      try {
        const json = await answer(JSON.parse(body));
        response.writeHead(200, {
          'content-type': 'application/json; charset=utf-8',
          'content-length': Buffer.byteLength(json),
        });
        response.end(json);
      } catch (error) {
        response.writeHead(500, { 'content-length': '0' }).end();
        console.error(error);
      }
    });
  });
}

/** Starts the server on a free port. Resolves with the port. */
export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function readBody(request: IncomingMessage, done: (body: string) => void): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () =>
    done((chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)).toString()),
  );
}

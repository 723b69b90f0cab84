/** The part of Express that the textbook server uses. */
declare module 'express' {
  import type { IncomingMessage, Server, ServerResponse } from 'node:http';

  export interface Request extends IncomingMessage {
    readonly body: unknown;
  }
  export interface Response extends ServerResponse {
    send(body: string): void;
  }
  type Handler = (request: Request, response: Response, next: (error?: unknown) => void) => unknown;

  interface Application {
    use(path: string, ...handlers: readonly Handler[]): void;
    listen(port: number, host: string, done: () => void): Server;
  }
  const express: { (): Application; json(): Handler };
  export default express;
}

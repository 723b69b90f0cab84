import { connect } from 'node:net';

/** A keep-alive HTTP/1.1 connection that carries one request at a time. */
export interface Connection {
  send(request: Buffer): void;
  close(): void;
}

export interface ConnectionEvents {
  /**
   * Receives an answer. `bytes` contains head and body and is valid only during the call. The body begins at
   * `bodyStart`.
   */
  onAnswer(status: number, bytes: Buffer, bodyStart: number): void;
  onError(error: Error): void;
}

/** Returns the bytes of a whole request. */
export function httpRequest(port: number, token: string, body: string): Buffer {
  const head = [
    'POST /graphql HTTP/1.1',
    `host: 127.0.0.1:${port}`,
    'content-type: application/json',
    `authorization: Bearer ${token}`,
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/**
 * Opens a connection that reads only the parts of an answer that show where the answer ends. The client must
 * cost less than the server, because otherwise the ratio of two servers depends mainly on the client. With a
 * complete parser in the client, a bare server is idle a third of the time.
 */
export function openConnection(port: number, { onAnswer, onError }: ConnectionEvents): Promise<Connection> {
  let received: Buffer | undefined;
  let size = 0;
  let bodyStart = 0;
  let closing = false;

  function onData(chunk: Buffer): void {
    received = received ? Buffer.concat([received, chunk]) : chunk;
    if (size === 0) {
      const headEnd = received.indexOf('\r\n\r\n');
      if (headEnd < 0) return;
      const length = /content-length: (\d+)/i.exec(received.toString('latin1', 0, headEnd))?.[1];
      if (length === undefined) {
        fail(new Error('The server sent an answer without Content-Length.'));
        return;
      }
      bodyStart = headEnd + 4;
      size = bodyStart + Number(length);
    }
    if (received.length < size) return;
    const whole = received;
    received = undefined;
    size = 0;
    // "HTTP/1.1 200 …"
    onAnswer(Number(whole.toString('latin1', 9, 12)), whole, bodyStart);
  }

  function fail(error: Error): void {
    if (!closing) onError(error);
  }

  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      socket.on('data', onData).on('error', fail);
      socket.on('close', () => fail(new Error('The server closed a connection.')));
      resolve({
        send: (request) => void socket.write(request),
        close() {
          closing = true;
          socket.destroy();
        },
      });
    });
  });
}

import type { IncomingMessage } from 'node:http';
import { AppError } from '../domain/error.ts';

/** The largest body that the server reads, in bytes. */
export const maxBodyBytes = 1_000_000;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads a JSON body of at most `maxBytes`. The body is undefined unless the method is POST. Rejects with
 * PAYLOAD_TOO_LARGE or BAD_USER_INPUT.
 */
export async function readJsonBody(
  request: IncomingMessage,
  maxBytes = maxBodyBytes,
): Promise<{ readonly body: object | undefined; readonly bytes: number }> {
  if (request.method !== 'POST') return { body: undefined, bytes: 0 };
  const { 'content-encoding': encoding = 'identity', 'content-type': contentType = '' } = request.headers;
  if (encoding !== 'identity')
    throw new AppError('BAD_USER_INPUT', 'Send the body without Content-Encoding.');
  const charset = /charset\s*=\s*"?([^\s;"]+)/i.exec(contentType)?.[1] ?? 'utf-8';
  if (!/^utf-?8$/i.test(charset)) throw new AppError('BAD_USER_INPUT', 'Send the body in UTF-8.');
  const bytes = await readBytes(request, maxBytes);
  if (!/^application\/json\s*(;|$)/i.test(contentType)) {
    throw new AppError('BAD_USER_INPUT', 'Send the body as Content-Type: application/json.');
  }
  const body = parse(bytes);
  // Apollo would treat JSON that is not an object as an empty object.
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new AppError(
      'BAD_USER_INPUT',
      'The body must be one JSON object: {"query": "…", "variables": {…}}.',
    );
  }
  return { body, bytes: bytes.byteLength };
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch (cause) {
    throw new AppError('BAD_USER_INPUT', 'The body is not JSON.', { cause });
  }
}

function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = Number(request.headers['content-length'] ?? 0);
    if (size > maxBytes) return refuse();
    size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.byteLength;
      if (size > maxBytes) refuse();
      else chunks.push(chunk);
    });
    request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    request.on('error', endedEarly);
    request.on('close', () => request.complete || endedEarly());
    // If the client disconnected while the token was checked, the request emitted `error` and `close` before
    // these listeners existed.
    if (request.destroyed) endedEarly();

    // The connection stays open, because the server sends the answer on it.
    function refuse(): void {
      request.removeAllListeners('data').pause();
      reject(new AppError('PAYLOAD_TOO_LARGE', `The body may have at most ${maxBytes} bytes.`));
    }

    function endedEarly(cause?: Error): void {
      reject(
        new AppError('BAD_USER_INPUT', 'The connection closed before the body was complete.', { cause }),
      );
    }
  });
}

import { MessageType } from 'graphql-ws';
import type { WebSocket } from 'ws';

/**
 * Sends messages to sockets. Each function returns a promise that resolves when the operating system has
 * taken the message. The function returns undefined if the next message can follow at once.
 */
export interface SocketSend {
  text(socket: WebSocket, data: string): Promise<void> | undefined;
  /**
   * Sends a `next` message that consists of a head and a payload. If several sockets get the same message,
   * they share its encoded bytes.
   */
  next(socket: WebSocket, head: string, payload: string): Promise<void> | undefined;
}

/** The beginning of every `next` message of a subscription. */
export const headOfNext = (subscriptionId: string): string =>
  `{"id":${JSON.stringify(subscriptionId)},"type":"${MessageType.Next}","payload":`;

export function createSocketSend({ maxBufferedBytes }: { readonly maxBufferedBytes: number }): SocketSend {
  let last = { head: '', payload: '', bytes: Buffer.alloc(0) };

  function bytesOf(head: string, payload: string): Buffer {
    if (last.payload !== payload || last.head !== head)
      last = { head, payload, bytes: Buffer.from(`${head}${payload}}`) };
    return last.bytes;
  }

  /** Sends a message. Terminates the socket if the client reads too slowly. */
  function send(socket: WebSocket, data: string | Buffer): Promise<void> | undefined {
    if (socket.readyState !== socket.OPEN) return undefined;
    let settle: ((error?: Error | null) => void) | undefined;
    socket.send(data, { binary: false }, (error) => settle?.(error));
    if (socket.bufferedAmount === 0) return undefined;
    if (socket.bufferedAmount > maxBufferedBytes) socket.terminate();
    return new Promise((resolve, reject) => {
      settle = (error) => (error ? reject(error) : resolve());
    });
  }

  return {
    text: send,
    next: (socket, head, payload) => send(socket, bytesOf(head, payload)),
  };
}

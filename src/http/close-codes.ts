/** A reason for closing a socket. */
interface CloseEntry {
  readonly code: number;
  readonly meaning: string;
  readonly fault: 'caller' | 'us' | 'elsewhere';
  /**
   * Whether the client should connect again. The public graphql-ws client follows this rule without
   * configuration.
   */
  readonly reconnects: boolean;
  /** The step that the client or its author must take. */
  readonly advice: string;
}

/**
 * Every close code that a client can receive. The libraries graphql-ws and ws send the codes that the code of
 * Unseen does not send. If the reason for a code is temporary, the public graphql-ws client must connect
 * again after the code.
 */
export const closeTable = {
  restart: {
    code: 1012,
    meaning: 'The process is about to end, for example for an upgrade.',
    fault: 'us',
    reconnects: true,
    advice: 'Connect again after a random delay. Another process, or the restarted process, answers.',
  },
  overload: {
    code: 1013,
    meaning: 'The process cannot handle the message or check the token now.',
    fault: 'us',
    reconnects: true,
    advice: 'Connect again after a delay.',
  },
  limit: {
    code: 4290,
    meaning:
      'A limit is reached: sockets of the user, messages, requests, or sockets without `connection_init`. The close reason names the limit.',
    fault: 'caller',
    reconnects: true,
    advice:
      'Connect again after a delay. If this happens often, share one socket between the tabs or components.',
  },
  expired: {
    code: 4403,
    meaning: 'The token has expired.',
    fault: 'caller',
    reconnects: true,
    advice: 'Fetch a new token in `connectionParams`, and connect again.',
  },
  unauthenticated: {
    code: 4401,
    meaning: 'The token is missing or not valid, or a message came before `connection_ack`.',
    fault: 'caller',
    reconnects: false,
    advice: 'Send a valid token in `connectionParams.authorization`.',
  },
  initTimeout: {
    code: 4408,
    meaning: 'The client sent no `connection_init` within 3 seconds.',
    fault: 'caller',
    reconnects: true,
    advice: 'Connect again. Fetch the token before you open the socket, if fetching takes long.',
  },
  badRequest: {
    code: 4400,
    meaning: 'A message does not follow the protocol `graphql-transport-ws`.',
    fault: 'caller',
    reconnects: false,
    advice: 'Fix the client, or use a client library.',
  },
  wrongProtocol: {
    code: 4406,
    meaning: 'The client did not ask for the subprotocol `graphql-transport-ws`.',
    fault: 'caller',
    reconnects: false,
    advice: 'Use a client that speaks this protocol. The older `graphql-ws` subprotocol is not supported.',
  },
  idInUse: {
    code: 4409,
    meaning: 'The client subscribed with the id of a subscription that is still open.',
    fault: 'caller',
    reconnects: false,
    advice: 'Use a new id for each subscription.',
  },
  initTwice: {
    code: 4429,
    meaning: 'The client sent `connection_init` twice.',
    fault: 'caller',
    reconnects: false,
    advice: 'Send `connection_init` once per socket.',
  },
  tooLarge: {
    code: 1009,
    meaning: 'A message has more than 64 KiB, or too many fragments.',
    fault: 'caller',
    reconnects: false,
    advice: 'Send smaller documents and variables.',
  },
  badFrame: {
    code: 1002,
    meaning: 'A frame does not follow the WebSocket protocol.',
    fault: 'caller',
    reconnects: false,
    advice: 'Look for a proxy that changes the connection.',
  },
  notText: {
    code: 1007,
    meaning: 'A text message is not UTF-8.',
    fault: 'caller',
    reconnects: false,
    advice: 'Encode messages as UTF-8.',
  },
  cut: {
    code: 1006,
    meaning:
      'The connection ended without a close frame: the network failed, the client did not answer pings or did not read.',
    fault: 'elsewhere',
    reconnects: true,
    advice: 'Connect again. The first message of each subscription is the current state.',
  },
} as const satisfies Record<string, CloseEntry>;

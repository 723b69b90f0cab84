import { describe } from 'vitest';
import { pubSubContract } from '../../testing/contracts/pub-sub.ts';
import { createLocalPubSub } from './pub-sub.ts';

describe('the local pub/sub', () => {
  pubSubContract(
    async () => {
      const pubSub = createLocalPubSub();
      return { open: async () => pubSub, cutConnections: async () => {}, close: () => pubSub.close() };
    },
    { acrossProcesses: false, losesConnections: false },
  );
});

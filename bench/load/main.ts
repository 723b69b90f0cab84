import { answerParent } from '../child-main.ts';
import { closedLoop } from './closed-loop.ts';
import { openPushLoad, type PushLoad, type PushTarget } from './push.ts';

// The clients of all servers: one process, so that it is as warm for each of them.
const pushLoads = new Map<number, PushLoad>();

answerParent(
  {},
  {
    closedLoop,
    async openPushLoad(target: PushTarget): Promise<number> {
      pushLoads.set(target.port, await openPushLoad(target));
      return target.port;
    },
    push({ id, ...rate }: { readonly id: number; readonly perSecond: number; readonly seconds: number }) {
      return pushLoads.get(id)?.run(rate);
    },
    closePushLoad(id: number): void {
      pushLoads.get(id)?.close();
      pushLoads.delete(id);
    },
  },
);

import { answerParent } from '../child-main.ts';
import { closedLoop } from './closed-loop.ts';
import { type LiveLoad, type LiveTarget, openLiveLoad } from './live.ts';
import { openPushLoad, type PushLoad, type PushTarget } from './push.ts';

// One process contains the clients of all servers, so that the code of the clients is equally optimised for
// each server.
const pushLoads = new Map<number, PushLoad>();
let live: LiveLoad | undefined;

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
    async openLiveLoad(target: LiveTarget): Promise<void> {
      live = await openLiveLoad(target);
    },
    livePush: (rate: { readonly perSecond: number; readonly seconds: number }) => live?.push(rate),
    liveBroadcast: (time: { readonly seconds: number }) => live?.broadcast(time),
    closeLiveLoad: () => live?.close(),
  },
);

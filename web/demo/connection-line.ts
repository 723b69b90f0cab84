import { element, say } from './elements.ts';
import type { ConnectionState } from './watch-badge.ts';

/** Shows the state of the socket and counts the seconds to the next try. */
export function createConnectionLine(onRetry: () => void) {
  const line = element('connection', HTMLParagraphElement);
  const retry = element('reconnect', HTMLButtonElement);
  const announce = element('announce', HTMLParagraphElement);
  let ticking: ReturnType<typeof setInterval> | undefined;
  let wasLive = false;

  retry.addEventListener('click', onRetry);

  return {
    show(state: ConnectionState): void {
      clearInterval(ticking);
      line.dataset['state'] = state.kind === 'waiting' ? 'reconnecting' : state.kind;
      retry.hidden = state.kind !== 'waiting';
      if (state.kind !== 'waiting') {
        line.textContent = state.kind;
        if (state.kind === 'live' && !wasLive) say(announce, 'Connected.');
        wasLive ||= state.kind === 'live';
        return;
      }
      // A screen reader announces the loss once, not every second.
      if (wasLive) say(announce, 'Connection lost, reconnecting.');
      wasLive = false;
      const retryAt = performance.now() + state.waitMs;
      const tick = (): void => {
        const seconds = Math.max(0, Math.ceil((retryAt - performance.now()) / 1000));
        line.textContent = `reconnecting in ${seconds} s`;
      };
      tick();
      ticking = setInterval(tick, 250);
    },
  };
}

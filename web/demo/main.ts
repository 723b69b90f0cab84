import { readConfig } from '../config.ts';
import { createCredentials, redeemLink } from '../credentials.ts';
import {
  type BadgeStateFragment,
  RecordPageViewDocument,
  SendNotificationDocument,
  ViewerDocument,
} from '../generated/graphql.ts';
import { ApiError, createApi } from './api.ts';
import { type BadgeArrival, newerBadge } from './badge.ts';
import { createConnectionLine } from './connection-line.ts';
import { element, say } from './elements.ts';
import { createInbox } from './inbox.ts';
import { createPushTimer } from './push-timer.ts';
import { createStats } from './stats.ts';
import { watchBadge } from './watch-badge.ts';

const HISTORY_LENGTH = 5;

const { opensByLink, hasDocs } = readConfig();
const credentials = createCredentials();
const api = createApi(credentials);
const pushTimer = createPushTimer(() => performance.now());

const setup = element('setup', HTMLElement);
const tokenForm = element('token-form', HTMLFormElement);
const problem = element('problem', HTMLDivElement);
const problemText = element('problem-text', HTMLParagraphElement);
const announce = element('announce', HTMLParagraphElement);
const bell = element('bell', HTMLButtonElement);
const bellCount = element('bell-count', HTMLSpanElement);
const pushTime = element('push-time', HTMLOutputElement);
const pushHistory = element('push-history', HTMLOListElement);
const title = element('title', HTMLInputElement);
const visitNote = element('visit-note', HTMLParagraphElement);

const stats = createStats(api);
const inbox = createInbox({ api, onBadge: (badge) => apply({ kind: 'REPLY', badge }), onError: report });
const connection = createConnectionLine(() => watching?.retryNow());

let userId = 'alice';
let shown: BadgeStateFragment | undefined;
let watching: ReturnType<typeof watchBadge> | undefined;

/**
 * Applies an update of the badge. A snapshot means that a connection has just opened, so the page clears the
 * outage and reads the data that it missed.
 */
function applyUpdate(update: BadgeArrival): void {
  apply(update);
  if (update.kind !== 'SNAPSHOT') return;
  pushTimer.clear();
  if (problem.dataset['code'] === 'UNREACHABLE') clearProblem();
  stats.refresh().catch(report);
}

function apply(arrival: BadgeArrival): void {
  const before = shown;
  const badge = newerBadge(before, arrival);
  if (badge === before) return;
  shown = badge;

  bellCount.textContent = badge.display;
  bellCount.hidden = badge.unseen === 0;
  bell.setAttribute('aria-label', `Notifications, ${badge.unseen === 0 ? 'none' : badge.display} unseen`);
  inbox.behindBy(badge.unseen);
  if (before !== undefined && badge.unseen > before.unseen) {
    announce.textContent = `${badge.display} unseen notifications.`;
  }

  const pushTimes = pushTimer.arrived(badge.unseen - (before?.unseen ?? badge.unseen));
  // If a reply brings the new badge before the push, the waits end, but the page shows no push time.
  if (arrival.kind === 'CHANGE') pushTimes.forEach(showPushTime);
}

function showPushTime(ms: number): void {
  const text = ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
  if (pushTime.dataset['ms'] !== undefined) {
    const earlier = document.createElement('li');
    earlier.textContent = pushTime.textContent;
    pushHistory.prepend(earlier);
    while (pushHistory.childElementCount > HISTORY_LENGTH) pushHistory.lastElementChild?.remove();
  }
  pushTime.dataset['ms'] = String(ms);
  pushTime.textContent = text;
}

function report(error: unknown): void {
  say(problemText, error instanceof Error ? error.message : String(error));
  problem.dataset['code'] = error instanceof ApiError ? error.code : 'UNKNOWN';
  problem.hidden = false;
}

function clearProblem(): void {
  problem.hidden = true;
}

async function send(): Promise<void> {
  const takeBack = pushTimer.start();
  try {
    const input = { userId, content: { title: title.value } };
    const { sendNotification } = await api.request(SendNotificationDocument, { input }, 'service');
    throwFirst(sendNotification.userErrors);
    clearProblem();
  } catch (error) {
    takeBack();
    report(error);
  }
}

async function visit(name: string, path: string): Promise<void> {
  try {
    const input = { name, path, occurredAt: new Date().toISOString() };
    const { recordPageView } = await api.request(RecordPageViewDocument, { input });
    throwFirst(recordPageView.userErrors);
    visitNote.textContent = `Recorded a view of ${name}.`;
    clearProblem();
    await stats.refreshUntilCounted();
  } catch (error) {
    report(error);
  }
}

function throwFirst(userErrors: readonly { readonly code: string; readonly message: string }[]): void {
  const first = userErrors[0];
  if (first !== undefined) throw new ApiError(first.code, first.message);
}

function showPage(): void {
  const ready = credentials.token('user') !== undefined;
  const canSend = credentials.token('service') !== undefined;
  setup.hidden = ready;
  element('docs', HTMLAnchorElement).hidden = !hasDocs;
  element('by-link', HTMLDivElement).hidden = !opensByLink;
  element('by-token', HTMLDetailsElement).open = !opensByLink;
  element('browser', HTMLElement).hidden = !ready;
  element('world', HTMLDivElement).hidden = !ready;
  element('forget', HTMLButtonElement).hidden = !ready;
  element('send', HTMLButtonElement).disabled = !canSend;
  element('send-hint', HTMLParagraphElement).hidden = canSend;
  for (const place of document.querySelectorAll('.user')) place.textContent = userId;
}

async function start(): Promise<void> {
  showPage();
  if (credentials.token('user') === undefined) return;
  watching = watchBadge({
    credentials,
    onState: connection.show,
    onUpdate: applyUpdate,
    onError: report,
    onRefused: () => askAgain('The server did not accept the token. It may have expired.'),
  });
  try {
    const { viewer } = await api.request(ViewerDocument, {});
    if (viewer === null)
      return askAgain('The first token belongs to a service. The bell needs the token of a user.');
    userId = viewer.userId;
    apply({ kind: 'REPLY', badge: viewer.badge });
    showPage();
  } catch (error) {
    // The socket retries by itself. The error only explains why the page is still empty.
    report(error);
  }
}

function askAgain(reason: string): void {
  stopWatching();
  credentials.forget();
  showPage();
  report(new Error(reason));
}

function stopWatching(): void {
  watching?.stop();
  watching = undefined;
  shown = undefined;
}

tokenForm.addEventListener('submit', (event) => {
  event.preventDefault();
  const user = element('user-token', HTMLInputElement);
  const service = element('service-token', HTMLInputElement);
  credentials.keep(user.value.trim(), service.value.trim());
  tokenForm.reset();
  clearProblem();
  void start();
});

element('forget', HTMLButtonElement).addEventListener('click', () => {
  stopWatching();
  credentials.forget();
  showPage();
});

element('send-form', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  void send();
});

for (const button of document.querySelectorAll<HTMLButtonElement>('.visit')) {
  button.addEventListener('click', () => {
    void visit(button.dataset['name'] ?? '', button.dataset['path'] ?? '');
  });
}

element('problem-close', HTMLButtonElement).addEventListener('click', clearProblem);
// Both events mean that the next try is likely to succeed, so the page does not wait any longer.
addEventListener('online', () => watching?.retryNow());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') watching?.retryNow();
});

const linkProblem = await redeemLink(credentials);
// A tab that already has a token does not need the link.
if (linkProblem !== undefined && credentials.token('user') === undefined) report(new Error(linkProblem));
void start();

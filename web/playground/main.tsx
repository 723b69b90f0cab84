import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './playground.css';
import { GraphiQL } from 'graphiql';
import { createRoot } from 'react-dom/client';
import { readConfig } from '../config.ts';
import { createCredentials, redeemLink } from '../credentials.ts';
import { exampleTabs } from './examples.ts';
import { createFetcher } from './fetcher.ts';
import { emptyHeaders } from './headers.ts';
import { Hint } from './hint.tsx';
import { activeSavedTab, createTabStorage } from './storage.ts';

const { opensByLink, hasDocs } = readConfig();
const credentials = createCredentials();
const problem = await redeemLink(credentials);
const token = credentials.token('user');
const storage = createTabStorage(sessionStorage);
const examples = exampleTabs();
const fetcher = createFetcher(token);
const linked = linkedOperation(new URLSearchParams(location.search));

function linkedOperation(search: URLSearchParams) {
  const query = search.get('query');
  return query === null
    ? undefined
    : { query, variables: search.get('variables') ?? '', headers: emptyHeaders };
}

// GraphiQL shows this query, these variables and these headers in the active tab. If the values differ from
// the values of the active tab, GraphiQL opens another tab. So the values are those of the linked operation,
// or else exactly the values of the active tab. Without these values, GraphiQL would run the first tab
// without its variables on the first visit.
const active = linked ?? activeSavedTab(storage) ?? examples[0];

function resetTabs(): void {
  // The page first disables writing, because GraphiQL saves after half a second and would restore the old
  // tabs.
  storage.setItem = () => {};
  storage.clear();
  location.replace(location.pathname);
}

function Playground() {
  return (
    <>
      <Hint token={token} problem={problem} opensByLink={opensByLink} />
      <GraphiQL
        fetcher={fetcher}
        storage={storage}
        defaultTabs={linked ? [linked, ...examples] : examples}
        defaultHeaders={emptyHeaders}
        initialQuery={active?.query ?? ''}
        initialVariables={active?.variables ?? ''}
        initialHeaders={active?.headers ?? emptyHeaders}
        defaultEditorToolsVisibility={token === undefined ? 'headers' : 'variables'}
        // GraphiQL may save the headers, because the browser deletes this storage when the tab closes.
        shouldPersistHeaders
        showPersistHeadersSettings={false}
      >
        <GraphiQL.Logo>
          <nav className="links" aria-label="Unseen">
            <a href="/demo">Live demo</a>
            {hasDocs && <a href="/docs/">Manual</a>}
            <button type="button" onClick={resetTabs}>
              Reset tabs
            </button>
          </nav>
        </GraphiQL.Logo>
      </GraphiQL>
    </>
  );
}

const root = document.getElementById('root');
if (root) createRoot(root).render(<Playground />);

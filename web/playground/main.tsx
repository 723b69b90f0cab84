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

// GraphiQL shows this query, these variables and these headers in the active tab. It treats a tab with other
// values as a different tab. So the values are those of the linked operation if there is one, otherwise
// exactly those of the active tab. Without them the first visit would run the first tab without its
// variables.
const active = linked ?? activeSavedTab(storage) ?? examples[0];

function resetTabs(): void {
  // Writing is disabled first, because GraphiQL saves after half a second and would restore the old tabs.
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
        // The headers are kept in storage that ends with the tab.
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

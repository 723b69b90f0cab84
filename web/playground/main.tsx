import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './playground.css';
import { GraphiQL } from 'graphiql';
import { createRoot } from 'react-dom/client';
import { readConfig } from '../config.ts';
import { exampleTabs } from './examples.ts';
import { createFetcher } from './fetcher.ts';
import { authorizationHeader } from './headers.ts';
import { activeSavedTab, createTabStorage } from './storage.ts';

const config = readConfig();
const storage = createTabStorage(config.userToken ? localStorage : sessionStorage, config);
const examples = exampleTabs(config);
const headers = authorizationHeader(config.userToken);
const fetcher = createFetcher(config);
const linked = linkedOperation(new URLSearchParams(location.search));

function linkedOperation(search: URLSearchParams) {
  const query = search.get('query');
  return query === null ? undefined : { query, variables: search.get('variables') ?? '', headers };
}

// GraphiQL shows these three in the active tab, whichever that is, and takes a tab that differs from them for
// another one. So they are the link's operation if there is one, else exactly what the active tab holds: without
// them the first visit would run the first tab without its variables.
const active = linked ?? activeSavedTab(storage) ?? examples[0];

function resetTabs(): void {
  // Writing stops first: GraphiQL saves half a second late and would bring the old tabs back.
  storage.setItem = () => {};
  storage.clear();
  location.replace(location.pathname);
}

function Playground() {
  return (
    <>
      {config.userToken === undefined && (
        <p className="hint" role="note">
          Paste a token after “Bearer” under the Headers of a tab. For a user:{' '}
          <code>npx unseen token --user alice</code>. To send notifications:{' '}
          <code>npx unseen token --role service</code>.
        </p>
      )}
      <GraphiQL
        fetcher={fetcher}
        storage={storage}
        defaultTabs={linked ? [linked, ...examples] : examples}
        defaultHeaders={headers}
        initialQuery={active?.query ?? ''}
        initialVariables={active?.variables ?? ''}
        initialHeaders={active?.headers ?? headers}
        defaultEditorToolsVisibility={config.userToken === undefined ? 'headers' : 'variables'}
        // The storage above sees to it that no token is written down.
        shouldPersistHeaders
        showPersistHeadersSettings={false}
      >
        <GraphiQL.Logo>
          <nav className="links" aria-label="Unseen">
            <a href="/demo">Live demo</a>
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

import { join } from 'node:path';
import { defineConfig } from 'vite';

const root = import.meta.dirname;

export default defineConfig({
  root,
  build: {
    outDir: join(root, '../dist/web'),
    emptyOutDir: true,
    sourcemap: false,
    // The playground carries a whole code editor; that it is large is no news.
    chunkSizeWarningLimit: 8_000,
    rolldownOptions: {
      // Dozens of dependencies say "use client", which means nothing in a page that has no server half.
      onwarn(warning, warn) {
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') warn(warning);
      },
      // GraphiQL's worker setup reports every worker it starts.
      treeshake: { manualPureFunctions: ['console.info'] },
      input: { playground: join(root, 'playground/index.html'), demo: join(root, 'demo/index.html') },
    },
  },
  worker: { format: 'es' },
});

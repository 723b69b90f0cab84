import { join } from 'node:path';
import { defineConfig } from 'vite';

const root = import.meta.dirname;

export default defineConfig({
  root,
  build: {
    outDir: join(root, '../dist/web'),
    emptyOutDir: true,
    sourcemap: false,
    // The playground contains a code editor, so its chunk is expected to be large.
    chunkSizeWarningLimit: 8_000,
    rolldownOptions: {
      // Dozens of dependencies contain the directive "use client", which has no meaning in a page without
      // server components.
      onwarn(warning, warn) {
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') warn(warning);
      },
      // The worker setup of GraphiQL logs every worker that it starts.
      treeshake: { manualPureFunctions: ['console.info'] },
      input: { playground: join(root, 'playground/index.html'), demo: join(root, 'demo/index.html') },
    },
  },
  worker: { format: 'es' },
});

import { defineConfig } from 'vite';

export default defineConfig({
  build: {
    // Nothing inline, neither as data: addresses nor as a script: the content security policy allows none.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2023',
  },
});

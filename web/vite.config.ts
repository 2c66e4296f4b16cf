import { fileURLToPath, URL } from 'node:url'
import { constants } from 'node:zlib'

import vueI18n from '@intlify/unplugin-vue-i18n/vite'
import vue from '@vitejs/plugin-vue'
import { FileSystemIconLoader } from 'unplugin-icons/loaders'
import icons from 'unplugin-icons/vite'
import { defineConfig, loadEnv } from 'vite'
import { compression, defineAlgorithm } from 'vite-plugin-compression2'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/** What the service answers; everything else is a page of the dashboard. */
const API =
  '^/(kv|keys|batch|transaction|watch|export|import|tokens|stats|limits|info|metrics|health|livez|readyz|openapi.json|docs)([/?]|$)'

export default defineConfig(({ mode }) => {
  // The development server passes the API on to this service.
  const target = loadEnv(mode, path('.'), 'VITE_').VITE_API_URL ?? 'http://127.0.0.1:8000'
  return {
    plugins: [
      vue(),
      vueI18n({ include: path('src/i18n/*/*.json'), strictMessage: true, ssr: false }),
      icons({
        compiler: 'vue3',
        customCollections: {
          bootstrap: FileSystemIconLoader(path('node_modules/bootstrap-icons/icons')),
        },
        // Icons repeat what the text beside them says, or their button is named.
        iconCustomizer: (_collection, _icon, properties) => {
          properties['aria-hidden'] = 'true'
          properties.class = 'icon'
        },
      }),
      compression({
        algorithms: [
          defineAlgorithm('brotliCompress', {
            params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY },
          }),
          defineAlgorithm('gzip', { level: 9 }),
        ],
        threshold: 1024,
      }),
    ],
    resolve: { alias: { '@': path('src') } },
    css: {
      // Bootstrap's own Sass, not ours.
      preprocessorOptions: { scss: { quietDeps: true, silenceDeprecations: ['import'] } },
    },
    build: { target: 'es2023', assetsInlineLimit: 0 },
    server: { port: 5176, strictPort: true, proxy: { [API]: { target } } },
  }
})

import vueI18n from '@intlify/eslint-plugin-vue-i18n'
import vitest from '@vitest/eslint-plugin'
import { defineConfigWithVueTs, vueTsConfigs } from '@vue/eslint-config-typescript'
import skipFormatting from 'eslint-config-prettier/flat'
import playwright from 'eslint-plugin-playwright'
import vue from 'eslint-plugin-vue'
import accessibility from 'eslint-plugin-vuejs-accessibility'
import { globalIgnores, type Config } from 'eslint/config'

export default defineConfigWithVueTs(
  { files: ['**/*.{vue,ts,mts}'] },
  globalIgnores(['dist/**', 'coverage/**', 'src/api/schema.ts', 'public/**', '**/*.json']),
  ...vue.configs['flat/recommended'],
  ...accessibility.configs['flat/recommended'],
  // Its own types are too wide.
  ...(vueI18n.configs.recommended as Config[]),
  vueTsConfigs.strict,
  {
    settings: {
      'vue-i18n': { localeDir: './src/i18n/{en,pt}/*.json', messageSyntaxVersion: '^11.0.0' },
    },
    rules: {
      'vue/block-order': ['error', { order: ['script', 'template', 'style'] }],
      'vue/block-lang': ['error', { script: { lang: 'ts' } }],
      'vue/define-props-declaration': ['error', 'type-based'],
      'vue/define-emits-declaration': ['error', 'type-based'],
      'vue/max-lines-per-block': ['error', { script: 110, template: 110, style: 60 }],
      'vue/no-v-html': 'error',
      'vuejs-accessibility/label-has-for': ['error', { required: { some: ['nesting', 'id'] } }],
      'vuejs-accessibility/no-static-element-interactions': 'error',
      '@intlify/vue-i18n/no-raw-text': [
        'error',
        { ignorePattern: '^[\\s\\d\\p{P}\\p{S}]*$', ignoreText: ['KVerse', 'Grafana'] },
      ],
      '@intlify/vue-i18n/no-missing-keys': 'off', // src/i18n/messages.test.ts knows which file a key is in.
    },
  },
  {
    files: ['src/**/*.test.ts'],
    ...vitest.configs.recommended,
    rules: {
      ...vitest.configs.recommended.rules,
      'vitest/valid-expect': ['error', { maxArgs: 2 }],
      'vitest/expect-expect': ['error', { assertFunctionNames: ['expect*'] }],
    },
  },
  {
    files: ['e2e/**/*.spec.ts'],
    ...playwright.configs['flat/recommended'],
    rules: {
      ...playwright.configs['flat/recommended'].rules,
      'playwright/expect-expect': ['error', { assertFunctionNames: ['expect*'] }],
    },
  },
  skipFormatting,
)

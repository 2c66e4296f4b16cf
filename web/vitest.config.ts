import { configDefaults, defineConfig, mergeConfig } from 'vitest/config'

import viteConfig from './vite.config.ts'

export default defineConfig((environment) =>
  mergeConfig(viteConfig(environment), {
    test: {
      environment: 'jsdom',
      exclude: [...configDefaults.exclude, 'e2e/**'],
      setupFiles: ['src/testing/setup.ts'],
      restoreMocks: true,
      coverage: {
        include: ['src/**/*.{ts,vue}'],
        exclude: ['src/api/schema.ts', 'src/testing/**', 'src/main.ts', 'src/**/*.test.ts'],
        thresholds: { lines: 85 },
        reporter: ['text', 'html'],
      },
    },
  }),
)

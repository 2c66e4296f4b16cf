import { usePreferredDark, useStorage } from '@vueuse/core'
import { defineStore } from 'pinia'
import { computed, watch } from 'vue'
import { useI18n } from 'vue-i18n'

import { LANGUAGES, preferredLanguage, type Language } from '@/i18n'

export type Theme = 'auto' | 'light' | 'dark'

/** What the person likes, remembered by the browser. Until something is chosen it follows the system and the browser. */
export const usePreferences = defineStore('preferences', () => {
  const { locale } = useI18n({ useScope: 'global' })
  const theme = useStorage<Theme>('kverse.theme', 'auto')
  const chosen = useStorage<Language | ''>('kverse.language', '')
  const prefersDark = usePreferredDark()

  const language = computed<Language>({
    get: () => chosen.value || preferredLanguage(navigator.languages),
    set: (language) => (chosen.value = language),
  })
  const dark = computed(() => (theme.value === 'auto' ? prefersDark.value : theme.value === 'dark'))

  watch(
    language,
    (language) => {
      locale.value = language
      document.documentElement.lang = LANGUAGES[language]
    },
    { immediate: true },
  )
  watch(dark, (dark) => (document.documentElement.dataset.bsTheme = dark ? 'dark' : 'light'), {
    immediate: true,
  })

  return { theme, language, dark }
})

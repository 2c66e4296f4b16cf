import { watchEffect } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRoute } from 'vue-router'

/** Keeps the title of the document that of the page. */
export function usePageTitle() {
  const route = useRoute()
  const { t } = useI18n()
  watchEffect(() => {
    if (typeof route.name !== 'string') return
    document.title =
      route.name === 'home' ? 'KVerse' : `${t(`layout.pages.${route.name}`)} · KVerse`
  })
}

import { watchEffect } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRoute } from 'vue-router'

import { useSession } from '@/stores/session'

/** Keeps the title of the document that of the page. */
export function usePageTitle() {
  const route = useRoute()
  const session = useSession()
  const { t } = useI18n()
  watchEffect(() => {
    if (session.self === undefined && session.required) {
      document.title = `${t('access.signIn')} · KVerse`
      return
    }
    if (typeof route.name !== 'string') return
    document.title =
      route.name === 'home' ? 'KVerse' : `${t(`layout.pages.${route.name}`)} · KVerse`
  })
}

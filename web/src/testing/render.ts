import { render, type RenderOptions } from '@testing-library/vue'
import { createPinia } from 'pinia'
import type { Component } from 'vue'
import { createMemoryHistory } from 'vue-router'

import { makeI18n, type Language } from '@/i18n'
import { makeRouter } from '@/router'
import { useSession } from '@/stores/session'

interface Options extends Pick<RenderOptions<unknown>, 'props' | 'slots'> {
  /** Where the person is. @default '/' */
  url?: string
  language?: Language
  /** Whether the session is loaded, as it is below `App`. @default true */
  session?: boolean
}

/** Renders a component as the application does, as someone who may do what the mocked service grants. */
export async function renderApp(component: Component, options: Options = {}) {
  const { url = '/', session = true, language = 'en', ...rest } = options
  const router = makeRouter(createMemoryHistory())
  await router.push(url)
  const pinia = createPinia()
  const i18n = makeI18n(language)
  if (session) await useSession(pinia).load()
  const view = render(component, { ...rest, global: { plugins: [pinia, i18n, router] } })
  return { ...view, router, pinia }
}

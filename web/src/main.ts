import '@fontsource-variable/inter'
import '@fontsource-variable/jetbrains-mono'
import './assets/main.scss'

import { createPinia } from 'pinia'
import { createApp } from 'vue'

import App from './App.vue'
import { makeI18n, preferredLanguage } from './i18n'
import { makeRouter } from './router'

createApp(App)
  .use(makeI18n(preferredLanguage(navigator.languages)))
  .use(createPinia())
  .use(makeRouter())
  .mount('#app')

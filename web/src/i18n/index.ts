import { createI18n, type I18nOptions } from 'vue-i18n'

type Messages = NonNullable<I18nOptions['messages']>[string]

/** The languages, as BCP 47 tags for `lang` and `Intl`. */
export const LANGUAGES = { en: 'en', pt: 'pt-PT' } as const
export type Language = keyof typeof LANGUAGES

const files: Record<Language, Record<string, Messages>> = {
  en: import.meta.glob('./en/*.json', { eager: true, import: 'default' }),
  pt: import.meta.glob('./pt/*.json', { eager: true, import: 'default' }),
}

/** `./en/store.json` holds what is under `store`. */
function messages(language: Language): Messages {
  return Object.fromEntries(
    Object.entries(files[language]).map(([path, content]) => [
      path.replace(/^.*\/|\.json$/g, ''),
      content,
    ]),
  )
}

export function makeI18n(language: Language) {
  return createI18n({
    legacy: false,
    locale: language,
    fallbackLocale: 'en',
    messages: { en: messages('en'), pt: messages('pt') },
  })
}

/** The language that the browser asks for, if we have it. */
export function preferredLanguage(languages: readonly string[]): Language {
  for (const language of languages) {
    const known = language.toLowerCase().split('-')[0]
    if (known === 'pt' || known === 'en') return known
  }
  return 'en'
}

import AxeBuilder from '@axe-core/playwright'
import { test as base, expect, type ConsoleMessage, type Page } from '@playwright/test'

import { Server } from './server'

interface Fixtures {
  /** Options of the server, for example `['--auth', 'tokens']`: `test.use({ serverOptions: […] })`. */
  serverOptions: string[]
  /** A server with an empty database. The page's addresses are relative to it. */
  server: Server
  /** What the console may say without failing the test: Chromium reports every answer that is not a success there. */
  consoleMaySay: RegExp | undefined
}

export const test = base.extend<Fixtures>({
  serverOptions: [[], { option: true }],
  consoleMaySay: [undefined, { option: true }],
  server: async ({ serverOptions }, use) => {
    const server = await Server.start(serverOptions)
    await use(server)
    await server.remove()
  },
  baseURL: async ({ server }, use) => use(server.url),
  page: async ({ page, consoleMaySay }, use) => {
    const said: string[] = []
    page.on('console', (message: ConsoleMessage) => {
      if (['error', 'warning'].includes(message.type())) {
        said.push(`${message.text()} (${message.location().url})`)
      }
    })
    page.on('pageerror', (error) => said.push(String(error)))
    await use(page)
    const wrong = said.filter((text) => !consoleMaySay?.test(text))
    expect(wrong, 'the console of the browser').toEqual([])
  },
})

export { expect }

/** Fails for every violation that axe finds on the page as it is now. */
export async function expectAccessible(page: Page) {
  const { violations } = await new AxeBuilder({ page }).analyze()
  const found = violations.map(({ id, nodes }) => ({
    id,
    nodes: nodes.map((node) => `${node.target.join(' ')}: ${node.failureSummary}`),
  }))
  expect(found).toEqual([])
}

/** Every combination of theme and language. */
export const APPEARANCES = (['light', 'dark'] as const).flatMap((theme) =>
  (['en', 'pt'] as const).map((language) => ({ theme, language })),
)

/** Remembers a theme and a language, as if the person had chosen them before. */
export async function setAppearance(page: Page, { theme, language }: (typeof APPEARANCES)[number]) {
  await page.addInitScript(
    ([theme, language]) => {
      localStorage.setItem('kverse.theme', theme)
      localStorage.setItem('kverse.language', language)
    },
    [theme, language] as const,
  )
}

/** Signs the person in, as after a reload of a tab that remembers the token. */
export async function signIn(page: Page, token: string) {
  await page.addInitScript((token) => sessionStorage.setItem('kverse.token', token), token)
}

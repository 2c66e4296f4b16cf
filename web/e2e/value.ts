import type { Locator, Page } from '@playwright/test'

/** Keys that a browser, a proxy or a program may be tempted to change. */
export const AWKWARD_KEYS = [
  'folder/with spaces /and a slash at its end/',
  'emoji/😀/é',
  '..',
  '.',
  'a/../b',
  '%2F',
  'a%2Fb',
  '//',
  'a//b',
  '?query=1&key=2#fragment+plus',
  `quotes'"\`$HOME\\`,
  ' surrounded by spaces ',
  'new',
  'k'.repeat(1024),
]

/** The part of the store page that shows one key. */
export class ValuePage {
  readonly editor: Locator
  readonly save: Locator

  constructor(readonly page: Page) {
    this.editor = page.getByRole('textbox', { name: 'Value' })
    this.save = page.getByRole('button', { name: 'Save', exact: true })
  }

  async open(key: string) {
    await this.page.goto(`/store?key=${encodeURIComponent(key)}`)
  }

  async create() {
    await this.page.goto('/store?new')
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true })
  }

  /** Opens the editor and replaces what is in it. */
  async edit(text: string) {
    await this.button('Edit').click()
    await this.editor.fill(text)
  }
}

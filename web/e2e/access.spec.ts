import type { Page } from '@playwright/test'

import { APPEARANCES, expect, expectAccessible, setAppearance, test } from './fixtures'
import { ADMIN_TOKEN } from './server'

test.use({
  serverOptions: ['--auth', 'tokens'],
  consoleMaySay: /401 \(Unauthorized\)/,
})

async function signIn(page: Page, token: string, { remember = false } = {}) {
  await page.getByLabel('Access token').fill(token)
  if (remember) await page.getByLabel('Stay signed in in this tab').check()
  await page.getByRole('button', { name: 'Sign in', exact: true }).last().click()
}

const account = (page: Page, name: string) =>
  page.getByRole('button', { name: `Signed in as ${name}` })

test('who signs in gets the page that was asked for, and signs out', async ({ page }) => {
  const seen: string[] = []
  page.on('request', (request) => seen.push(request.url()))
  page.on('console', (message) => seen.push(message.text()))
  await page.goto('/changes?prefix=a')
  await expect(page).toHaveTitle('Sign in · KVerse')
  await signIn(page, ` ${ADMIN_TOKEN}\n`)
  await expect(page.getByRole('heading', { name: 'Changes' })).toBeVisible()
  await expect(page).toHaveURL(/\/changes\?prefix=a$/)
  await expect(page).toHaveTitle('Changes · KVerse')

  await account(page, 'bootstrap').click()
  await page.getByRole('link', { name: 'Your access' }).click()
  await expect(page.getByText('all keys')).toBeVisible()
  await expect(page.getByText('Never')).toBeVisible()
  expect(await page.content()).not.toContain(ADMIN_TOKEN)
  expect(await storage(page)).not.toContain('kv_')
  expect(seen.filter((text) => text.includes(ADMIN_TOKEN))).toEqual([])

  await account(page, 'bootstrap').click()
  await page.getByRole('button', { name: 'Sign out' }).last().click()
  await expect(page.getByLabel('Access token')).toHaveValue('')
  await expect(account(page, 'bootstrap')).toBeHidden()
  await page.goBack()
  await expect(page.getByLabel('Access token')).toBeVisible()
})

/** All that the browser keeps for the page. */
function storage(page: Page) {
  return page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]))
}

test('only with consent is the token kept over a reload, and no longer than the session', async ({
  page,
  context,
  server,
}) => {
  await page.goto('/sign-in')
  await signIn(page, ADMIN_TOKEN)
  await expect(page.getByRole('heading', { name: 'Your access' })).toBeVisible()
  await page.reload()
  await signIn(page, ADMIN_TOKEN, { remember: true })
  await expect(page.getByRole('heading', { name: 'Your access' })).toBeVisible()
  await page.reload()
  await expect(account(page, 'bootstrap')).toBeVisible()
  const other = await context.newPage()
  await other.goto(`${server.url}/sign-in`)
  await expect(other.getByLabel('Access token')).toBeVisible()

  await page.getByRole('button', { name: 'Sign out' }).first().click()
  await expect(page.getByLabel('Access token')).toBeVisible()
  expect(await storage(page)).not.toContain('kv_')
})

test('a malformed token is not sent, a wrong one is refused', async ({ page }) => {
  await page.goto('/sign-in')
  await expect(page.getByLabel('Access token')).toBeVisible()
  const asked: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  await signIn(page, 'kv_admin_short')
  await expect(page.getByText('This is not a whole token')).toBeVisible()
  expect(asked).toEqual([])
  await page.getByRole('button', { name: 'Show the token' }).click()
  await expect(page.getByLabel('Access token')).toHaveAttribute('type', 'text')
  await signIn(page, `kv_nobody_${'x'.repeat(43)}`)
  await expect(page.getByRole('alert').filter({ hasText: 'is not valid' })).toBeVisible()
  await expect(page.getByLabel('Access token')).toHaveValue(`kv_nobody_${'x'.repeat(43)}`)
})

test.describe('someone who guesses', () => {
  test.use({ consoleMaySay: /401 \(Unauthorized\)|429 \(Too Many Requests\)/ })

  test('is slowed down', async ({ page, server }) => {
    await page.goto('/sign-in')
    await expect(page.getByLabel('Access token')).toBeVisible()
    let guessed = 0
    let over = false
    const guess = () =>
      fetch(`${server.url}/tokens/self`, {
        headers: { Authorization: `Bearer kv_guess${guessed++}_${'y'.repeat(43)}` },
      })
    const guessing = (async () => {
      while (!over) await Promise.all(Array.from({ length: 50 }, guess))
    })()
    try {
      await expect(async () => {
        await signIn(page, `kv_nobody${guessed}_${'x'.repeat(43)}`)
        await expect(page.getByText('Try again in 1 second.')).toBeVisible({ timeout: 1000 })
      }).toPass()
    } finally {
      over = true
      await guessing
    }
  })
})

test('a token that was revoked is asked for again over the page', async ({ page, server }) => {
  const { id, token } = await server.token('temp', [{ verbs: ['list', 'read'] }])
  const next = await server.token('next', [{ verbs: ['list', 'read'] }])
  await page.goto('/sign-in')
  await signIn(page, token, { remember: true })
  await expect(account(page, 'temp')).toBeVisible()
  await server.fetch(`/tokens/${id}`, { method: 'DELETE' })
  await expect.poll(() => server.status('/tokens/self', token)).toBe(401)
  await page.reload()
  // The one that was remembered does not work any more, and is forgotten.
  await expect(page.getByText('was revoked, or has expired')).toBeVisible()
  expect(await storage(page)).not.toContain('kv_')
  await signIn(page, next.token)
  await expect(account(page, 'next')).toBeVisible()
})

test('a value that is being written outlives its token', async ({ page, server }) => {
  const { id, token } = await server.token('writer', [{ verbs: ['read', 'write', 'list'] }])
  await page.goto('/store?new')
  await signIn(page, token)
  await page.getByRole('textbox', { name: 'Key', exact: true }).fill('draft')
  await page.getByRole('textbox', { name: 'Value' }).fill('what was typed')
  await server.fetch(`/tokens/${id}`, { method: 'DELETE' })
  await expect.poll(() => server.status('/tokens/self', token)).toBe(401)
  await page.getByRole('button', { name: 'Save' }).click()
  const dialog = page.getByRole('dialog', { name: 'Sign in again' })
  await expect(dialog).toBeVisible()
  await signIn(page, ADMIN_TOKEN)
  await expect(dialog).toBeHidden()
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('draft is saved.')).toBeVisible()
  expect(await server.get('draft')).toBe('what was typed')
})

test('a token that ends soon says so', async ({ page, server }) => {
  const { token } = await server.token('short', [{ verbs: ['read'], prefix: 'a/' }], '4m')
  await page.goto('/sign-in')
  await signIn(page, token)
  await expect(page.getByRole('main').getByText(/expires in \d minutes/)).toBeVisible()
  await expect(page.getByText('keys that begin with a/')).toBeVisible()
  await page.getByRole('button', { name: 'Sign in with another token' }).first().click()
  await signIn(page, ADMIN_TOKEN)
  await expect(account(page, 'bootstrap')).toBeVisible()
  await expect(page.getByText(/expires in/)).toBeHidden()
})

test('pages that the token does not open say what they need', async ({ page, server }) => {
  const { token } = await server.token('reader', [{ verbs: ['read', 'list'], prefix: 'reports/' }])
  await page.goto('/changes')
  await signIn(page, token)
  await expect(page.getByText('It needs to allow “watch”')).toBeVisible()
  await expectAccessible(page)
  await expect(page.getByRole('link', { name: /Store/ })).not.toContainText('does not allow')
  await page.getByRole('link', { name: 'Home' }).click()
  await page.getByRole('link', { name: 'Changes (your token does not allow it)' }).click()
  await expect(page).toHaveURL(/\/changes$/)
})

for (const appearance of APPEARANCES) {
  test(`signing in has no accessibility violation in ${appearance.theme} ${appearance.language}`, async ({
    page,
    server,
  }) => {
    const { token } = await server.token(
      'short',
      [{ verbs: ['read', 'list'], prefix: 'a/' }, { verbs: ['monitor'] }],
      '4m',
    )
    await setAppearance(page, appearance)
    await page.goto('/sign-in')
    const field = page.getByLabel(/Access token|Token de acesso/)
    await field.fill('kv_')
    await field.press('Enter')
    await expect(page.getByText(/not a whole token|não é um token completo/)).toBeVisible()
    await expectAccessible(page)
    await field.fill(token)
    await field.press('Enter')
    await expect(page.getByText(/expires in|expira dentro/).first()).toBeVisible()
    await expectAccessible(page)
    await page
      .getByRole('button', { name: /another token|outro token/ })
      .first()
      .click()
    await expect(page.getByRole('dialog')).toBeVisible()
    await expectAccessible(page)
  })
}

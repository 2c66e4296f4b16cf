import type { Page } from '@playwright/test'

import { APPEARANCES, expect, expectAccessible, setAppearance, signIn, test } from './fixtures'
import type { Server } from './server'

const keys = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${JSON.stringify({ key: prefix + i, value: 'x' })}\n`)

async function fill(server: Server, prefix: string, count: number) {
  await server.fetch('/import', {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-ndjson' },
    body: keys(prefix, count).join(''),
  })
}

async function countOf(server: Server, prefix: string): Promise<number> {
  const answer = await server.fetch(`/keys?count=true&prefix=${encodeURIComponent(prefix)}`)
  return ((await answer.json()) as { count: number }).count
}

const open = (page: Page) =>
  page
    .getByRole('button', { name: /Delete all below|Eliminar tudo abaixo|Delete every key/ })
    .click()

test('what begins with a prefix is deleted once it was typed, and nothing else', async ({
  page,
  server,
}) => {
  await fill(server, 'tmp/', 20)
  await server.put('tmp', 'stays')
  await page.goto('/store?prefix=tmp/')
  await open(page)
  const dialog = page.getByRole('dialog')
  await expect(dialog.getByText('20 keys will be deleted')).toBeVisible()
  await expect(dialog.getByText('tmp/10', { exact: true })).toBeVisible()
  await expect(dialog.getByText('and 12 more')).toBeVisible()
  const confirm = dialog.getByRole('button', { name: 'Delete 20 keys' })
  const field = dialog.getByLabel('To confirm, type tmp/')
  await expect(confirm).toBeDisabled()
  for (const wrong of ['tmp', 'TMP/', 'tmp/ ', '*']) {
    await field.fill(wrong)
    await expect(confirm).toBeDisabled()
    await field.press('Enter')
  }
  expect(await countOf(server, 'tmp/')).toBe(20)
  await field.fill('tmp/')
  await confirm.click()
  await expect(dialog.getByText('20 keys were deleted.')).toBeVisible()
  await dialog.getByRole('button', { name: 'Close' }).last().click()
  await expect(dialog).toBeHidden()
  expect(await countOf(server, '')).toBe(1)
})

test('everything is deleted for a star only', async ({ page, server }) => {
  await fill(server, 'a', 3)
  await page.goto('/store')
  await open(page)
  const dialog = page.getByRole('dialog', { name: 'Delete every key' })
  const confirm = dialog.getByRole('button', { name: 'Delete 3 keys' })
  await expect(confirm).toBeDisabled()
  await dialog.getByLabel('To confirm, type *').fill('*')
  await confirm.click()
  await expect(dialog.getByText('3 keys were deleted.')).toBeVisible()
  expect(await countOf(server, '')).toBe(0)
})

test.describe('a deletion', () => {
  test.use({ consoleMaySay: /net::ERR_/ })

  test('that is stopped tells what is left, and goes on', async ({ page, server }) => {
    test.slow()
    await fill(server, 'k/', 40_000)
    await page.goto('/store?prefix=k/')
    await open(page)
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('To confirm, type k/').fill('k/')
    await dialog.getByRole('button', { name: 'Delete 40,000 keys' }).click()
    await server.stop()
    await expect(dialog.getByText('The deletion was stopped before its end.')).toBeVisible()
    await expect(dialog.getByText('The service cannot be reached')).toBeVisible()
    await server.start()
    await dialog.getByRole('button', { name: 'Delete the rest' }).click()
    await expect(dialog.getByText(/keys were deleted\./)).toBeVisible({ timeout: 60_000 })
    expect(await countOf(server, 'k/')).toBe(0)
  })
})

test.describe('with tokens', () => {
  test.use({
    serverOptions: ['--auth', 'tokens'],
    consoleMaySay: /401 \(Unauthorized\)|403 \(Forbidden\)/,
  })

  test('it is offered where the token may delete and list', async ({ page, server }) => {
    const { token } = await server.token('cleaner', [
      { verbs: ['read', 'list'] },
      { verbs: ['delete'], prefix: 'tmp/' },
    ])
    await fill(server, 'tmp/', 2)
    await signIn(page, token)
    await page.goto('/store?prefix=tmp/')
    await open(page)
    await expect(page.getByRole('dialog').getByText('2 keys will be deleted')).toBeVisible()
    await page.keyboard.press('Escape')
    await page.getByRole('link', { name: 'Store' }).click()
    await expect(page).toHaveURL(/\/store$/)
    await expect(page.getByRole('heading', { name: 'Store' })).toBeVisible()
    await expect(page.getByRole('button', { name: 'Delete every key' })).toBeHidden()
  })
})

for (const appearance of APPEARANCES) {
  test(`no accessibility violation in ${appearance.theme} ${appearance.language}`, async ({
    page,
    server,
  }) => {
    await fill(server, 'a/', 20)
    await setAppearance(page, appearance)
    await page.goto('/store?prefix=a/')
    await open(page)
    const dialog = page.getByRole('dialog')
    await expect(dialog.getByRole('textbox')).toBeVisible()
    await expectAccessible(page)
    await dialog.getByRole('textbox').fill('a/')
    await dialog.getByRole('textbox').press('Enter')
    await expect(dialog.getByText(/were deleted|Foram eliminadas/)).toBeVisible()
    await expectAccessible(page)
  })
}

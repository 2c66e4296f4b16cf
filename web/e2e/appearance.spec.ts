import { APPEARANCES, expect, expectAccessible, setAppearance, test } from './fixtures'

const PAGES = ['/', '/store', '/changes', '/status', '/transfer', '/sign-in', '/nowhere']

for (const appearance of APPEARANCES) {
  for (const path of PAGES) {
    test.describe(`${path} in ${appearance.theme} ${appearance.language}`, () => {
      test.use({ consoleMaySay: path === '/nowhere' ? /404 \(Not Found\)/ : undefined })

      test('has no accessibility violation', async ({ page }) => {
        await setAppearance(page, appearance)
        await page.goto(path)
        await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
        await expectAccessible(page)
      })
    })
  }
}

test('the theme and the language are switched, remembered, and at first those of the browser', async ({
  page,
}) => {
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.goto('/')
  await expect(page.locator('html')).toHaveAttribute('data-bs-theme', 'dark')
  await page.getByRole('switch', { name: 'Dark theme' }).click()
  await expect(page.locator('html')).toHaveAttribute('data-bs-theme', 'light')
  await page.getByLabel('Language').selectOption('Português')
  await page.reload()
  await expect(page.locator('html')).toHaveAttribute('data-bs-theme', 'light')
  await expect(page.getByRole('link', { name: 'Início' })).toBeVisible()
})

test.describe('a browser in Portuguese', () => {
  test.use({ locale: 'pt-BR' })

  test('gets Portuguese', async ({ page }) => {
    await page.goto('/')
    await expect(page.getByRole('link', { name: 'Início' })).toBeVisible()
    await expect(page.locator('html')).toHaveAttribute('lang', 'pt-PT')
  })
})

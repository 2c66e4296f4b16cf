import type { Page } from '@playwright/test'

import { expect, setAppearance, test } from './fixtures'
import type { Server } from './server'

const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } } as const
const THEMES = ['light', 'dark'] as const

/** Each page as a person finds it. What is `inReadme` is kept beside the README, the rest is for looking at. */
const PAGES: {
  name: string
  path: string
  prepare?: (page: Page, server: Server) => Promise<void>
}[] = [
  { name: 'home', path: '/' },
  { name: 'store', path: '/store' },
  { name: 'store-list', path: '/store?view=list&prefix=users/' },
  { name: 'value-json', path: '/store?prefix=config/&key=config/checkout.json' },
  { name: 'value-image', path: '/store?prefix=images/&key=images/gradient.png' },
  { name: 'value-new', path: '/store?new' },
  { name: 'value-missing', path: '/store?key=not/there' },
  { name: 'changes', path: '/changes', prepare: makeChanges },
  { name: 'status', path: '/status', prepare: makeLoad },
  { name: 'transfer', path: '/transfer' },
  { name: 'sign-in', path: '/sign-in' },
]

const IN_README = [
  'value-json-light-desktop',
  'store-dark-desktop',
  'status-light-desktop',
  'value-json-dark-phone',
]

test.setTimeout(120_000)

for (const theme of THEMES) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    test(`${theme} ${size}`, async ({ browser, page: blank, server }) => {
      await fill(server, await picture(blank))
      for (const { name, path, prepare } of PAGES) {
        const page = await browser.newPage({
          viewport,
          baseURL: server.url,
          locale: 'en-GB',
          timezoneId: 'UTC',
        })
        await setAppearance(page, { theme, language: 'en' })
        await page.goto(path)
        await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
        await prepare?.(page, server)
        await page.waitForTimeout(700)
        const file = `${name}-${theme}-${size}`
        const folder = IN_README.includes(file) ? 'screenshots' : '.screenshots'
        await page.screenshot({ path: `${folder}/${file}.png` })
        await page.close()
      }
    })
  }
}

/** What a small shop might store. */
async function fill(server: Server, image: Buffer) {
  const json = { type: 'application/json' }
  const puts: Promise<void>[] = []
  for (const [index, name] of [
    'ada',
    'alan',
    'barbara',
    'edsger',
    'grace',
    'katherine',
    'linus',
    'margaret',
  ].entries()) {
    puts.push(server.put(`users/${name}`, JSON.stringify({ name, since: 2019 + index }), json))
    puts.push(server.put(`sessions/${name}`, `session of ${name}`, { ttl: `${index + 1}h` }))
  }
  for (let order = 1000; order < 1100; order += 1) {
    puts.push(
      server.put(`orders/2026/${order}`, JSON.stringify({ order, total: (order * 7) % 311 }), json),
    )
  }
  const checkout = {
    currency: 'EUR',
    freeShippingFrom: 50,
    methods: ['card', 'mb-way', 'transfer'],
    limits: { items: 40, total: 5000 },
    banner: { en: 'Free shipping this week', pt: 'Portes grátis esta semana', until: '2026-12-01' },
    features: { savedBaskets: true, giftWrap: false, expressCheckout: true },
  }
  puts.push(
    server.put('config/checkout.json', JSON.stringify(checkout), json),
    server.put('config/motd', 'Boas festas! 🎄'),
    server.put('images/gradient.png', new Uint8Array(image), { type: 'image/png' }),
    server.put('greeting', 'hello'),
  )
  await Promise.all(puts)
}

async function makeChanges(page: Page, server: Server) {
  for (const key of [
    'orders/2026/1100',
    'users/ada',
    'config/motd',
    'sessions/tim',
    'orders/2026/1101',
  ]) {
    await server.put(key, 'new')
  }
  await server.fetch('/kv/users%2Falan', { method: 'DELETE' })
  await page.waitForTimeout(500)
}

async function makeLoad(page: Page, server: Server) {
  const end = Date.now() + 22_000
  while (Date.now() < end) {
    await Promise.all(
      Array.from({ length: 20 }, (_, user) => server.get(`orders/2026/${1000 + user}`)),
    )
    await server.put('counter', String(Date.now()))
    await page.waitForTimeout(10 + Math.random() * 30)
  }
}

/** A picture, as PNG. */
async function picture(page: Page): Promise<Buffer> {
  await page.setViewportSize({ width: 240, height: 160 })
  await page.setContent('<body style="background: linear-gradient(135deg, #0f766e, #fbbf24)">')
  return page.screenshot()
}

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { preferredLanguage } from '.'

type Tree = { [key: string]: string | Tree }

const FOLDER = 'src/i18n'

function messages(language: string): Map<string, string> {
  const found = new Map<string, string>()
  const walk = (path: string, tree: Tree) => {
    for (const [key, value] of Object.entries(tree)) {
      if (typeof value === 'string') found.set(`${path}.${key}`, value)
      else walk(`${path}.${key}`, value)
    }
  }
  for (const file of readdirSync(join(FOLDER, language))) {
    walk(file.replace('.json', ''), JSON.parse(readFileSync(join(FOLDER, language, file), 'utf8')))
  }
  return found
}

const placeholders = (message: string) => [...new Set(message.match(/\{\w+\}/g))].sort()

test('both languages say the same things, with the same placeholders', () => {
  const [en, pt] = [messages('en'), messages('pt')]
  expect([...pt.keys()].sort()).toEqual([...en.keys()].sort())
  for (const [key, message] of en) {
    expect(message.trim(), key).not.toBe('')
    expect(pt.get(key)?.trim(), key).not.toBe('')
    expect(placeholders(pt.get(key) ?? ''), key).toEqual(placeholders(message))
  }
})

test('every message that the code asks for exists, and every message is asked for', () => {
  const known = messages('en')
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(vue|ts)$/.test(file) && !file.endsWith('.test.ts'))
    .map((file) => readFileSync(join('src', file), 'utf8'))
    .join('\n')
  const asked = [...sources.matchAll(/\b\$?t\(\s*'([^']+)'/g)].map((match) => match[1] as string)
  const keypaths = [...sources.matchAll(/keypath="([^"]+)"/g)].map((match) => match[1] as string)
  // `t(`errors.${code}`)`: any message below its fixed beginning.
  const beginnings = [...sources.matchAll(/\b\$?te?\(\s*`([^`$]+)\$\{/g)].map(
    (match) => match[1] as string,
  )
  const exact = new Set([...asked, ...keypaths])
  expect([...exact].filter((key) => !known.has(key))).toEqual([])
  const unused = [...known.keys()].filter(
    (key) => !exact.has(key) && !beginnings.some((beginning) => key.startsWith(beginning)),
  )
  expect(unused).toEqual([])
})

test.each([
  [['pt-BR', 'en'], 'pt'],
  [['fr-FR', 'pt'], 'pt'],
  [['en-GB'], 'en'],
  [['ja'], 'en'],
  [[], 'en'],
])('a browser that asks for %j gets %s', (languages, expected) => {
  expect(preferredLanguage(languages)).toBe(expected)
})

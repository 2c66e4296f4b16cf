import { execFileSync } from 'node:child_process'

import { expect, test } from 'vitest'

import { shellQuote } from './shell'
import { rustLiteral, snippets, TOOLS } from './snippets'

const KEYS = [
  '',
  'plain',
  "it's",
  `'"\`$HOME$(id)\\`,
  '-rf',
  '--help',
  ' spaces  ',
  'line\nbreak\ttab',
  'é😀\u202e',
  '*?[a]{b}~!#&;|<>()',
  '%2F/../.',
]
const SERVICE = { origin: 'http://127.0.0.1:8000', contentType: `text/plain; a="it's"` }

/** What a program is called with by this command, as a shell sees it. */
function argumentsOf(command: string): string[] {
  const script = `show() { printf '%s\\0' "$@"; }; ${command.replace(/^[\w-]+/, 'show')}`
  const output = execFileSync('sh', ['-c', script], { encoding: 'utf8' })
  return output.split('\0').slice(0, -1)
}

test.each(KEYS)('a shell takes %j as it is', (key) => {
  expect(argumentsOf(`curl ${shellQuote(key)}`)).toEqual([key])
})

test.each(KEYS)('curl is given the key %j in the query', (key) => {
  const { get, put } = snippets('curl', key, { ...SERVICE, signedIn: false })
  for (const command of [get, put]) {
    const url = new URL(argumentsOf(command).at(-1) ?? '')
    expect(url.pathname).toBe('/kv')
    expect(url.searchParams.get('key')).toBe(key)
  }
  expect(argumentsOf(put)).toContain(`Content-Type: ${SERVICE.contentType}`)
})

test.each(KEYS)('kverse-cli is given the key %j', (key) => {
  const { get, put } = snippets('cli', key, { ...SERVICE, signedIn: false })
  expect(argumentsOf(get).slice(-2)).toEqual(['--', key])
  expect(argumentsOf(put).slice(-3)).toEqual(['--', key, '@value'])
  expect(argumentsOf(put)).toContain(SERVICE.contentType)
})

test.each([
  ['plain', '"plain"'],
  ['a"b\\c', '"a\\"b\\\\c"'],
  ['\n\r\t\u0001', '"\\n\\r\\t\\u{1}"'],
  ['\u202eé😀', '"\\u{202e}é😀"'],
])('%j is the Rust literal %s', (text, literal) => {
  expect(rustLiteral(text)).toBe(literal)
})

test('Rust opens the store, and writes with the type', () => {
  const { get, put } = snippets('rust', 'a', { ...SERVICE, signedIn: false })
  expect(get).toContain('let key: Key = "a".parse()?;')
  expect(put).toContain('ContentType::new("text/plain; a=\\"it\'s\\"")?')
})

test.each(TOOLS)('%s takes the token from the environment', (tool) => {
  const { get } = snippets(tool, 'a', { ...SERVICE, signedIn: true })
  expect(get.includes('KVERSE_TOKEN')).toBe(tool !== 'cli')
  const anonymous = snippets(tool, 'a', { ...SERVICE, signedIn: false })
  expect(anonymous.get).not.toContain('KVERSE_TOKEN')
})

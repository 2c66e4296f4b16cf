import { expect, test } from 'vitest'

import { editorState } from './editor'

const OPTIONS = { label: '', language: 'text', readonly: false, phrases: {} } as const

test.each(['a\nb', 'a\r\nb\r\n', 'a\rb', 'a\r\nb\nc\rd', '\r', '', '\u0000\u2028\uFEFF'])(
  '%j leaves the editor as it came',
  (text) => {
    const state = editorState(text, { ...OPTIONS, changed: () => undefined })
    expect(state.sliceDoc()).toBe(text)
  },
)

test('a new line ends as the others do', () => {
  const state = editorState('a\r\nb', { ...OPTIONS, changed: () => undefined })
  const changed = state.update({
    changes: { from: state.doc.length, insert: state.toText('\r\nc') },
  })
  expect(changed.state.sliceDoc()).toBe('a\r\nb\r\nc')
})

import { expect, test } from 'vitest'

import type { Facts } from '@/api/entry'
import type { Limits } from '@/stores/limits'
import { draftOf, draftProblems, isSameDraft, newDraft } from './draft'
import { encode } from './text'

const LIMITS = { max_key_bytes: 4, max_value_bytes: 4, max_content_type_bytes: 12 } as Limits
const FACTS: Facts = { version: '1', size: 1, contentType: 'a/b', expiresAt: undefined }

test('a text is edited as text, anything else as bytes', () => {
  expect(draftOf('k', FACTS, encode('é')).content).toEqual({ kind: 'text', text: 'é' })
  const bytes = new Uint8Array([0xff])
  expect(draftOf('k', FACTS, bytes).content).toEqual({ kind: 'bytes', bytes })
})

test('an entry that expires keeps its time unless something else is chosen', () => {
  expect(draftOf('k', { ...FACTS, expiresAt: 1 }, encode('')).ttl).toBe('keep')
  expect(draftOf('k', FACTS, encode('')).ttl).toBe('none')
})

test.each([
  [{ key: '' }, ['empty']],
  [{ key: 'a\0' }, ['nul']],
  [{ key: 'éé1' }, ['keyTooLong']],
  [{ contentType: 'text/plän' }, ['typeCharacters']],
  [{ contentType: 'text/plain; a=b' }, ['typeTooLong']],
  [{ content: { kind: 'text' as const, text: 'ééé' } }, ['tooLarge']],
  [{ ttl: 'soon' }, ['ttl']],
  [{ ttl: '1h30m' }, []],
])('%j has the problems %j', (change, codes) => {
  const draft = { ...newDraft('k'), ...change }
  expect(draftProblems(draft, LIMITS).map(({ code }) => code)).toEqual(codes)
})

test('without the limits the service decides', () => {
  expect(draftProblems(newDraft('too long'), undefined)).toEqual([])
})

test('a draft is changed when one of its parts is', () => {
  const draft = newDraft('k')
  expect(isSameDraft(draft, newDraft('k'))).toBe(true)
  expect(isSameDraft(draft, { ...draft, content: { kind: 'text', text: 'a' } })).toBe(false)
  expect(isSameDraft(draft, { ...draft, content: { kind: 'bytes', bytes: encode('') } })).toBe(
    false,
  )
  expect(isSameDraft(draft, { ...draft, ttl: '1h' })).toBe(false)
})

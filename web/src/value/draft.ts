import type { Bytes, Facts, Precondition } from '@/api/entry'
import type { Limits } from '@/stores/limits'
import { decode, byteLength } from './text'
import { parseTtl, TTL_PRESETS } from './ttl'

/** What is written into the form: text, or bytes of a file or of a value that is not text. */
export type Content =
  | { kind: 'text'; text: string }
  | { kind: 'bytes'; bytes: Bytes; /** Of the file. */ name?: string }

export interface Draft {
  key: string
  contentType: string
  content: Content
  /** As the service takes it. */
  ttl: string
}

/** A draft, and what the key must be when it is saved. */
export interface Edit {
  draft: Draft
  precondition: Precondition
}

export interface DraftProblem {
  field: 'key' | 'contentType' | 'content' | 'ttl'
  /** The message below `value.problems`. */
  code: 'empty' | 'nul' | 'keyTooLong' | 'typeTooLong' | 'typeCharacters' | 'tooLarge' | 'ttl'
  limit?: number
  actual?: number
}

export function newDraft(key = ''): Draft {
  return { key, contentType: 'text/plain', content: { kind: 'text', text: '' }, ttl: 'none' }
}

/** What a stored entry is edited as. */
export function draftOf(key: string, facts: Facts, bytes: Bytes): Draft {
  const text = decode(bytes)
  return {
    key,
    contentType: facts.contentType,
    content: text === undefined ? { kind: 'bytes', bytes } : { kind: 'text', text },
    ttl: facts.expiresAt === undefined ? 'none' : 'keep',
  }
}

export function sizeOf(content: Content): number {
  return content.kind === 'text' ? byteLength(content.text) : content.bytes.length
}

export function isSameDraft(one: Draft, other: Draft): boolean {
  const same = (one: Content, other: Content) =>
    one.kind === 'text' && other.kind === 'text'
      ? one.text === other.text
      : one.kind === 'bytes' && other.kind === 'bytes' && one.bytes === other.bytes
  return (
    one.key === other.key &&
    one.contentType === other.contentType &&
    one.ttl === other.ttl &&
    same(one.content, other.content)
  )
}

/** What the service would refuse. */
export function draftProblems(draft: Draft, limits: Limits | undefined): DraftProblem[] {
  const found: DraftProblem[] = []
  const within = (
    field: DraftProblem['field'],
    code: DraftProblem['code'],
    actual: number,
    limit: number | undefined,
  ) => {
    if (limit !== undefined && actual > limit) found.push({ field, code, limit, actual })
  }
  if (draft.key === '') found.push({ field: 'key', code: 'empty' })
  if (draft.key.includes('\0')) found.push({ field: 'key', code: 'nul' })
  within('key', 'keyTooLong', byteLength(draft.key), limits?.max_key_bytes)
  // A header carries nothing else.
  if (!/^[ -~]*$/.test(draft.contentType))
    found.push({ field: 'contentType', code: 'typeCharacters' })
  within('contentType', 'typeTooLong', draft.contentType.length, limits?.max_content_type_bytes)
  within('content', 'tooLarge', sizeOf(draft.content), limits?.max_value_bytes)
  const named: readonly string[] = ['keep', ...TTL_PRESETS]
  if (!named.includes(draft.ttl) && parseTtl(draft.ttl) === undefined) {
    found.push({ field: 'ttl', code: 'ttl' })
  }
  return found
}

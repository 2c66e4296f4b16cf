import type { Bytes } from '@/api/entry'

// Fatal, because what is not text must not be shown, and then saved, as text that it is not; a byte order mark stays.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** The text that these bytes are, or `undefined` if they are not UTF-8. */
export function decode(bytes: Bytes): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

export function encode(text: string): Bytes {
  return encoder.encode(text)
}

/** How many bytes of UTF-8 a text has. */
export function byteLength(text: string): number {
  return encoder.encode(text).length
}

import { isJson, isJsonType } from './json'

/** How a value is shown. */
export type View = 'text' | 'json' | 'image' | 'hex'

/** Up to this much is parsed to find out whether it is JSON. */
const MAX_JSON_CHARACTERS = 2 * 1024 * 1024

function isImageType(contentType: string): boolean {
  return /^\s*image\//i.test(contentType)
}

/** In which ways a value can be shown, the best first. */
export function viewsOf(contentType: string, text: string | undefined): View[] {
  const image: View[] = isImageType(contentType) ? ['image'] : []
  if (text === undefined) return [...image, 'hex']
  const json: View[] = text.length <= MAX_JSON_CHARACTERS && isJson(text) ? ['json'] : []
  // A number or a word is JSON as well; as such it is meant only if the type says so.
  const meant = isJsonType(contentType) || /^\s*[[{]/.test(text)
  return [...image, ...(meant ? json : []), 'text', ...(meant ? [] : json), 'hex']
}

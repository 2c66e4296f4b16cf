import { format, parse, type ParseError } from 'jsonc-parser'

export interface JsonProblem {
  line: number
  column: number
  /** What the parser of the browser says. */
  message: string
}

const STRICT = { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false }

/** Whether values of this content type are JSON: `application/json`, `application/problem+json`. */
export function isJsonType(contentType: string): boolean {
  return /^\s*[\w.-]+\/([\w.-]+\+)?json\s*(;|$)/i.test(contentType)
}

/** What keeps a text from being JSON, and where. */
export function jsonProblem(text: string): JsonProblem | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    const errors: ParseError[] = []
    parse(text, errors, STRICT)
    const before = text.slice(0, errors[0]?.offset ?? text.length)
    const start = Math.max(before.lastIndexOf('\n'), before.lastIndexOf('\r')) + 1
    return {
      line: before.split(/\r\n|\r|\n/).length,
      column: before.length - start + 1,
      message: (error as Error).message,
    }
  }
}

export function isJson(text: string): boolean {
  return jsonProblem(text) === undefined
}

/** Other white space, and nothing else: numbers keep all their digits, objects their order and duplicates. */
export function formatJson(text: string): string {
  const eol = text.includes('\r\n') ? '\r\n' : '\n'
  const edits = format(text, undefined, { tabSize: 2, insertSpaces: true, eol })
  // The library's own `applyEdits` copies the whole text for each of them.
  const parts: string[] = []
  let at = 0
  for (const { offset, length, content } of edits.sort((a, b) => a.offset - b.offset)) {
    parts.push(text.slice(at, offset), content)
    at = offset + length
  }
  return parts.join('') + text.slice(at)
}

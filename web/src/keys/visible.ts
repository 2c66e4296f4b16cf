/** A part of a text: as it is, or what stands for a character that could not be seen. */
export interface Part {
  text: string
  symbol: boolean
}

/**
 * What shows nothing, or changes how its neighbours look: control and format characters (among them those that reverse
 * the direction of text), line and paragraph separators, spaces other than the usual one, and those at either end or
 * beside another. The joiner inside an emoji is part of it.
 */
const UNSEEN =
  /(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F])\u200D|(?!\u200D)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]|(?! )\p{Zs}|^ +| +$| {2,}/gu

const ESCAPES: Record<string, string> = { ' ': '␣', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

function symbolOf(character: string): string {
  const code = character.codePointAt(0) ?? 0
  return ESCAPES[character] ?? `\\u{${code.toString(16).toUpperCase()}}`
}

/** Splits a text so that whoever reads it sees every character of it. */
export function visibleParts(text: string): Part[] {
  const parts: Part[] = []
  let end = 0
  for (const { 0: unseen, index } of text.matchAll(UNSEEN)) {
    if (index > end) parts.push({ text: text.slice(end, index), symbol: false })
    parts.push({ text: Array.from(unseen, symbolOf).join(''), symbol: true })
    end = index + unseen.length
  }
  if (end < text.length) parts.push({ text: text.slice(end), symbol: false })
  return parts
}

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

function symbolOf(character: string): string {
  const code = character.codePointAt(0) ?? 0
  if (code < 0x20) return String.fromCodePoint(0x2400 + code)
  if (code === 0x20) return '␣'
  if (code === 0x7f) return '␡'
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`
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

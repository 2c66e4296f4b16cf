import type { Bytes } from '@/api/entry'

export interface HexRow {
  offset: string
  bytes: string
  ascii: string
}

/** A row of a dump, as `hexdump -C` writes it. */
export function hexRow(bytes: Bytes, offset: number, width: number): HexRow {
  const row = bytes.subarray(offset, offset + width)
  return {
    offset: offset.toString(16).padStart(8, '0'),
    bytes: Array.from(row, (byte) => byte.toString(16).padStart(2, '0')).join(' '),
    ascii: Array.from(row, (byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.',
    ).join(''),
  }
}

import type { Limits } from '@/stores/limits'
import { byteLength } from '@/value/text'

/** What is wrong with a line: the name of a message, and what it says. */
export interface Fault {
  reason: string
  values: Record<string, string | number>
}

/** What lines are checked against. */
export interface Rules {
  prefix: string
  limits: Limits
}

const FIELDS = ['key', 'value', 'value_base64', 'size', 'version', 'content_type', 'expires_at']
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const CONTENT_TYPE = /^[\x20-\x7e]+$/
const TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?Z$/
const MAX_VERSION = 2n ** 64n

const fault = (reason: string, values: Fault['values'] = {}): Fault => ({ reason, values })
const isText = (value: unknown): value is string =>
  typeof value === 'string' && !/\p{Surrogate}/u.test(value)

/** The longest line that the service takes: JSON may write every byte as six. */
export function maxLineBytes(limits: Limits): number {
  return (limits.max_key_bytes + limits.max_value_bytes) * 6 + 4096
}

/**
 * What the service would refuse a line for, found without asking it. Blank lines are fine. What only the service knows,
 * such as whether the key exists, is not found.
 */
export function faultOf(line: Uint8Array, rules: Rules): Fault | undefined {
  const limit = maxLineBytes(rules.limits)
  if (line.length > limit) return fault('lineTooLong', { limit, actual: line.length })
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(line).trim()
  } catch {
    return fault('notUtf8')
  }
  if (text === '') return undefined
  let entry: unknown
  try {
    entry = JSON.parse(text)
  } catch (error) {
    return fault('notJson', { detail: (error as Error).message })
  }
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return fault('notObject')
  return faultOfEntry(entry as Record<string, unknown>, rules)
}

function faultOfEntry(entry: Record<string, unknown>, rules: Rules): Fault | undefined {
  const unknown = Object.keys(entry).find((field) => !FIELDS.includes(field))
  if (unknown !== undefined) return fault('unknownField', { field: unknown })
  return (
    faultOfKey(entry.key, rules) ?? faultOfValue(entry, rules.limits) ?? faultOfRest(entry, rules)
  )
}

function faultOfKey(key: unknown, { prefix, limits }: Rules): Fault | undefined {
  if (key === undefined) return fault('noKey')
  if (!isText(key)) return fault('notText', { field: 'key' })
  if (key === '' || key.includes('\0')) return fault('badKey')
  const actual = byteLength(key)
  if (actual > limits.max_key_bytes) {
    return fault('keyTooLong', { limit: limits.max_key_bytes, actual })
  }
  return key.startsWith(prefix) ? undefined : fault('otherPrefix', { key, prefix })
}

function faultOfValue(entry: Record<string, unknown>, limits: Limits): Fault | undefined {
  const { value = null, value_base64: base64 = null, size = null } = entry
  if ((value === null) === (base64 === null)) return fault('oneValue')
  if (value !== null && !isText(value)) return fault('notText', { field: 'value' })
  if (base64 !== null && !(isText(base64) && BASE64.test(base64))) return fault('notBase64')
  const actual =
    typeof value === 'string'
      ? byteLength(value)
      : ((base64 as string).length / 4) * 3 - (/=*$/.exec(base64 as string)?.[0].length ?? 0)
  if (actual > limits.max_value_bytes) {
    return fault('valueTooLarge', { limit: limits.max_value_bytes, actual })
  }
  return size === null || size === actual
    ? undefined
    : fault('otherSize', { size: String(size), actual })
}

function faultOfRest(entry: Record<string, unknown>, { limits }: Rules): Fault | undefined {
  const { version = null, content_type: type = null, expires_at: end = null } = entry
  const isVersion = isText(version) && /^\d{1,20}$/.test(version) && BigInt(version) < MAX_VERSION
  if (version !== null && !isVersion) return fault('badVersion')
  const isType =
    isText(type) && CONTENT_TYPE.test(type) && type.length <= limits.max_content_type_bytes
  if (type !== null && !isType) return fault('badType', { limit: limits.max_content_type_bytes })
  const isTime = isText(end) && TIME.test(end) && Date.parse(end.replace(' ', 'T')) >= 0
  if (end !== null && !isTime) return fault('badTime')
  return undefined
}

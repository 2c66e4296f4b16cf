import { expect, test } from 'vitest'

import { faultOf } from './entryLine'

const rules = {
  prefix: 'a',
  limits: {
    max_batch_bytes: 100,
    max_batch_operations: 10,
    max_content_type_bytes: 20,
    max_key_bytes: 8,
    max_page_bytes: 100,
    max_page_entries: 10,
    max_value_bytes: 10,
  },
}
const bytes = (text: string) => new TextEncoder().encode(text)
const reason = (line: string) => faultOf(bytes(line), rules)?.reason

test.each([
  '{"key":"a","value":""}',
  '{"key":"aé","value":"0123456789","size":10}\r\n',
  '{"key":"a","value_base64":"AP8=","size":2,"value":null}',
  '{"key":"a","value":"1","version":"18446744073709551615","content_type":"text/plain"}',
  '{"key":"a","value":"1","expires_at":"2026-01-01T00:00:00.000001Z"}',
  '\ufeff{"key":"a","value":"1"}',
  '  ',
])('%s is fine', (line) => {
  expect(reason(line)).toBeUndefined()
})

test.each([
  ['{"key":"a","value":"1"', 'notJson'],
  ['[]', 'notObject'],
  ['null', 'notObject'],
  ['{"key":"a","value":"1","ttl":1}', 'unknownField'],
  ['{"value":"1"}', 'noKey'],
  ['{"key":1,"value":"1"}', 'notText'],
  ['{"key":"a\\ud800","value":"1"}', 'notText'],
  ['{"key":"","value":"1"}', 'badKey'],
  ['{"key":"a\\u0000","value":"1"}', 'badKey'],
  ['{"key":"aéééé","value":"1"}', 'keyTooLong'],
  ['{"key":"b","value":"1"}', 'otherPrefix'],
  ['{"key":"a"}', 'oneValue'],
  ['{"key":"a","value":"1","value_base64":"AA=="}', 'oneValue'],
  ['{"key":"a","value":1}', 'notText'],
  ['{"key":"a","value_base64":"AA"}', 'notBase64'],
  ['{"key":"a","value":"01234567890"}', 'valueTooLarge'],
  ['{"key":"a","value_base64":"AAAAAAAAAAAAAAAA"}', 'valueTooLarge'],
  ['{"key":"a","value":"1","size":2}', 'otherSize'],
  ['{"key":"a","value":"1","version":1}', 'badVersion'],
  ['{"key":"a","value":"1","version":"18446744073709551616"}', 'badVersion'],
  ['{"key":"a","value":"1","content_type":"é"}', 'badType'],
  ['{"key":"a","value":"1","expires_at":"tomorrow"}', 'badTime'],
  [`{"key":"a","value":"${'\\u0000'.repeat(1000)}"}`, 'lineTooLong'],
])('%s is not', (line, expected) => {
  expect(reason(line)).toBe(expected)
})

test('bytes that are not UTF-8 are found', () => {
  expect(faultOf(new Uint8Array([0x22, 0xff, 0x22]), rules)?.reason).toBe('notUtf8')
})

import { expect, test } from 'vitest'

import { readEvents, type ServerEvent } from './events'

function stream(chunks: (string | Uint8Array)[]): ReadableStream<Uint8Array> {
  const bytes = chunks.map((c) => (typeof c === 'string' ? new TextEncoder().encode(c) : c))
  return new ReadableStream({
    pull(controller) {
      const next = bytes.shift()
      if (next) controller.enqueue(next)
      else controller.close()
    },
  })
}

async function read(...chunks: (string | Uint8Array)[]): Promise<ServerEvent[]> {
  const events: ServerEvent[] = []
  for await (const event of readEvents(stream(chunks))) events.push(event)
  return events
}

const TEXT = ':\nretry: 1000\nid: 1\n\nevent: put\nid: 2\ndata: {"key":"é"}\n\ndata: a\ndata:b\n\n'
const EVENTS = [
  { event: 'message', id: '1' },
  { event: 'put', id: '2', data: '{"key":"é"}' },
  { event: 'message', data: 'a\nb' },
]

test('an id without data is told, and lines of data are joined', async () => {
  expect(await read(TEXT)).toEqual(EVENTS)
})

test.each(['\n', '\r\n', '\r'])(
  'it may end its lines with %j, and come byte by byte',
  async (end) => {
    const bytes = new TextEncoder().encode(TEXT.replaceAll('\n', end) + ':\n')
    expect(await read(...[...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(EVENTS)
  },
)

test('an event that is cut off is not one', async () => {
  expect(await read('data: a\n\ndata: b\n')).toEqual([{ event: 'message', data: 'a' }])
})

test('a line without an end is refused before it fills the memory', async () => {
  const endless = Array.from({ length: 100 }, () => 'x'.repeat(1024))
  await expect(read(...endless)).rejects.toThrow('longer than 65536')
})

import { ref } from 'vue'

import { readEntry, type Bytes, type Facts } from '@/api/entry'
import { saveFile } from '@/transfer/saveFile'
import { fileNameOf } from '@/value/fileName'
import { useAction } from './useAction'

/** Saves a value as a file. */
export function useDownload(key: string) {
  const received = ref(0)
  let current: AbortController | undefined

  const { run, error, running } = useAction(async (facts: Facts, loaded?: Bytes) => {
    received.value = 0
    const { signal } = (current = new AbortController())
    const progress = (count: number) => (received.value = count)
    const entry = loaded ? { ...facts, bytes: loaded } : await readEntry(key, { signal, progress })
    // Without its type: the browser must not open what it saves.
    const content = new Blob([entry.bytes], { type: 'application/octet-stream' })
    saveFile(fileNameOf(key, entry.contentType), content)
  })

  return { download: run, cancel: () => current?.abort(), received, error, running }
}

import { ref } from 'vue'

import { readEntry, type Bytes, type Facts } from '@/api/entry'
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
    saveAs(fileNameOf(key, entry.contentType), entry.bytes)
  })

  return { download: run, cancel: () => current?.abort(), received, error, running }
}

/** Bytes without a type: the browser must not open what it saves. */
function saveAs(name: string, bytes: Bytes) {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }))
  link.download = name
  link.click()
  URL.revokeObjectURL(link.href)
}

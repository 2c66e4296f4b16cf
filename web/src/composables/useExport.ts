import { onScopeDispose, ref, shallowRef } from 'vue'

import { isAbort } from '@/api/errors'
import { countKeys } from '@/api/keys'
import { checkExport, exportLines } from '@/api/transfer'
import { countBreaks } from '@/transfer/chunks'
import { openFile, type FileSink } from '@/transfer/fileSink'

export type ExportState = 'idle' | 'running' | 'done' | 'cancelled' | 'broken'

/** Writes all entries of a prefix to a file that is whole, or not there. */
export function useExport() {
  const state = ref<ExportState>('idle')
  const entries = ref(0)
  const bytes = ref(0)
  /** About how many entries there are. */
  const total = ref<number>()
  const error = shallowRef<unknown>()
  let stopping = new AbortController()

  async function run(prefix: string) {
    stopping = new AbortController()
    let file: FileSink
    error.value = undefined
    try {
      // What cannot be exported is told before a file is asked for. Browsers ask only soon after a click.
      await checkExport(prefix, stopping.signal)
      file = await openFile(`kverse-${new Date().toISOString().slice(0, 10)}.ndjson`)
    } catch (thrown) {
      if (isAbort(thrown)) return
      error.value = thrown
      state.value = 'idle'
      return
    }
    state.value = 'running'
    entries.value = 0
    bytes.value = 0
    total.value = undefined
    void estimate(prefix)
    try {
      const lines = (await exportLines(prefix, stopping.signal)).getReader()
      for (let piece = await lines.read(); !piece.done; piece = await lines.read()) {
        await file.write(piece.value)
        bytes.value += piece.value.length
        entries.value += countBreaks(piece.value)
      }
      await file.close()
      state.value = 'done'
    } catch (thrown) {
      await file.abort()
      if (isAbort(thrown)) state.value = 'cancelled'
      else {
        error.value = thrown
        state.value = 'broken'
      }
    }
  }

  async function estimate(prefix: string) {
    try {
      total.value = (await countKeys(prefix, stopping.signal)).keys
    } catch {
      // The export itself tells what is wrong.
    }
  }

  const cancel = () => stopping.abort()
  onScopeDispose(cancel)

  return { state, entries, bytes, total, error, run, cancel }
}

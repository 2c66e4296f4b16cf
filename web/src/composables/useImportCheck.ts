import { onScopeDispose, ref, shallowRef } from 'vue'

import { useLimits } from '@/stores/limits'
import { lineStart, readChunk, LineTooLong } from '@/transfer/chunks'
import { faultOf, maxLineBytes, type Fault, type Rules } from '@/transfer/entryLine'

/** Small, so that the page answers between two. */
const CHUNK_BYTES = 256 << 10
export const MAX_FAULTS = 100

export interface LineFault extends Fault {
  line: number
}

/** Reads a file as the service would, without sending it, and lists the lines that would be refused. */
export function useImportCheck() {
  const limits = useLimits()
  const state = ref<'idle' | 'running' | 'done'>('idle')
  const faults = shallowRef<LineFault[]>([])
  const lines = ref(0)
  const bytes = ref(0)
  const error = shallowRef<unknown>()
  let current: symbol | undefined

  /** Stops after `MAX_FAULTS` bad lines. */
  async function run(file: File, prefix: string) {
    const mine = Symbol('check')
    current = mine
    state.value = 'running'
    faults.value = []
    lines.value = 0
    bytes.value = 0
    error.value = undefined
    try {
      const rules = { prefix, limits: await limits.load() }
      while (current === mine && bytes.value < file.size && faults.value.length < MAX_FAULTS) {
        await check(file, rules)
      }
      if (current === mine) state.value = 'done'
    } catch (thrown) {
      if (current !== mine) return
      state.value = 'idle'
      error.value = thrown
    }
  }

  async function check(file: File, rules: Rules) {
    const maxLine = maxLineBytes(rules.limits)
    const chunk = await readChunk(file, bytes.value, { size: CHUNK_BYTES, maxLine }).catch(tooLong)
    if (chunk instanceof LineTooLong) {
      const { limit, actual } = chunk
      const fault = { line: lines.value + 1, reason: 'lineTooLong', values: { limit, actual } }
      faults.value = [...faults.value, fault]
      // What follows such a line is hardly one of ours.
      bytes.value = file.size
      return
    }
    const found: LineFault[] = []
    let start = 0
    for (let line = 1; line <= chunk.lines; line++) {
      const end = start + lineStart(chunk.bytes.subarray(start), 2)
      const fault = faultOf(chunk.bytes.subarray(start, end), rules)
      if (fault) found.push({ ...fault, line: lines.value + line })
      start = end
    }
    faults.value = [...faults.value, ...found].slice(0, MAX_FAULTS)
    lines.value += chunk.lines
    bytes.value = chunk.end
  }

  function reset() {
    current = undefined
    state.value = 'idle'
    error.value = undefined
  }
  onScopeDispose(reset)

  return { state, faults, lines, bytes, error, run, reset }
}

function tooLong(error: unknown): LineTooLong {
  if (error instanceof LineTooLong) return error
  throw error
}

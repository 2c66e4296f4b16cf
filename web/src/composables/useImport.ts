import { computed, onScopeDispose, reactive, ref, shallowRef } from 'vue'

import { ApiError, isAbort } from '@/api/errors'
import { pause } from '@/api/pause'
import { importLines, type ImportReport, type OnConflict } from '@/api/transfer'
import { lineEnd, lineStart, LineTooLong, readChunk, type Chunk } from '@/transfer/chunks'
import { useLimits } from '@/stores/limits'
import { maxLineBytes } from '@/transfer/entryLine'

/** Each piece is a request of its own, so that it is known how far an import got whatever happens to it. */
const CHUNK_BYTES = 1 << 20
/** How long a piece under way may take once the import is cancelled. */
const GRACE_MS = 3000
/** How often in a row, and how long, the service may ask to wait. */
const MAX_WAITS = 10
const MAX_WAIT_SECONDS = 60

/** What is wrong with a line, and not with the service. */
const LINE_CODES = new Set(['invalid_input', 'too_large', 'conflict'])

interface ImportOptions {
  prefix: string
  on_conflict: OnConflict
}

/** Sends a file to the service, piece by piece, from where it was stopped. */
export function useImport() {
  const limits = useLimits()
  const state = ref<'idle' | 'running' | 'stopped' | 'done'>('idle')
  const report = reactive({ imported: 0, skipped: 0, expired: 0 })
  /** The first line, and its place in the file, that was not imported for certain. */
  const position = reactive({ line: 1, bytes: 0 })
  /** How many lines from there on may or may not be imported. */
  const unknown = ref(0)
  /** Why it stopped; `undefined` if it was cancelled. */
  const error = shallowRef<unknown>()
  const code = computed(() => problem(error.value)?.import?.error?.code)
  /** Whether it stopped at a line that the service does not take. */
  const atLine = computed(
    () =>
      error.value instanceof LineTooLong ||
      (problem(error.value)?.import?.error !== undefined && LINE_CODES.has(code.value ?? '')),
  )
  /** Ends the piece under way. */
  let stopping = new AbortController()
  /** Keeps the next piece from being sent. */
  let cancelling = new AbortController()

  async function run(file: File, options: ImportOptions) {
    stopping = new AbortController()
    cancelling = new AbortController()
    const { signal: cancelled } = cancelling
    state.value = 'running'
    error.value = undefined
    unknown.value = 0
    try {
      const maxLine = maxLineBytes(await limits.load())
      while (position.bytes < file.size && !cancelled.aborted) {
        const chunk = await readChunk(file, position.bytes, { size: CHUNK_BYTES, maxLine })
        await send(chunk, options, cancelled)
      }
      state.value = position.bytes < file.size ? 'stopped' : 'done'
    } catch (thrown) {
      if (!isAbort(thrown)) error.value = thrown
      state.value = 'stopped'
    }
  }

  async function send(chunk: Chunk, options: ImportOptions, cancelled: AbortSignal) {
    for (let waits = 0; ; waits++) {
      try {
        add(await importLines(chunk.bytes, options, stopping.signal))
        advance(chunk.lines, chunk.end - position.bytes)
        return
      } catch (thrown) {
        const seconds = waits < MAX_WAITS ? toWait(thrown) : Infinity
        if (seconds > MAX_WAIT_SECONDS) {
          settle(chunk, thrown)
          throw thrown
        }
        // Of a piece that the service asks to send later, nothing was stored.
        await pause(seconds * 1000, cancelled)
        if (cancelled.aborted) return
      }
    }
  }

  /** Finds out what became of a piece that failed. */
  function settle(chunk: Chunk, thrown: unknown) {
    const done = problem(thrown)
    const failed = done?.import?.error
    if (done?.import && failed) {
      add(done.import)
      advance(failed.line - 1, lineStart(chunk.bytes, failed.line))
      unknown.value = failed.unknown ?? 0
    } else if (!done || done.import) {
      // No answer, or not one about each line.
      unknown.value = chunk.lines
    }
  }

  function add(part: ImportReport) {
    report.imported += part.imported
    report.skipped += part.skipped
    report.expired += part.expired
  }

  function advance(lines: number, bytes: number) {
    position.line += lines
    position.bytes += bytes
  }

  /** Goes on after the line that it stopped at. */
  async function skipLine(file: File, options: ImportOptions) {
    const end = await lineEnd(file, position.bytes, CHUNK_BYTES)
    advance(1, end - position.bytes)
    await run(file, options)
  }

  /** Stops after the piece under way, if that does not take too long. */
  function cancel() {
    cancelling.abort()
    const mine = stopping
    setTimeout(() => mine.abort(), GRACE_MS)
  }

  function reset() {
    end()
    state.value = 'idle'
    error.value = undefined
    unknown.value = 0
    Object.assign(report, { imported: 0, skipped: 0, expired: 0 })
    Object.assign(position, { line: 1, bytes: 0 })
  }
  function end() {
    cancelling.abort()
    stopping.abort()
  }
  onScopeDispose(end)

  return { state, report, position, unknown, error, code, atLine, run, skipLine, cancel, reset }
}

/** After how many seconds to send a piece again that was refused as a whole. */
function toWait(error: unknown): number {
  if (!(error instanceof ApiError) || error.status !== 429) return Infinity
  return error.retryAfter ?? Infinity
}

function problem(error: unknown) {
  return error instanceof ApiError ? error.problem : undefined
}

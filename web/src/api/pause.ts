/** Waits, but not longer than until the network is back, the person looks again, or nobody needs it any more. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = new AbortController()
    const end = () => {
      clearTimeout(timer)
      over.abort()
      resolve()
    }
    const timer = setTimeout(end, ms)
    const options = { signal: over.signal }
    if (signal.aborted) end()
    signal.addEventListener('abort', end, options)
    window.addEventListener('online', end, options)
    document.addEventListener('visibilitychange', () => document.hidden || end(), options)
  })
}

import { createPinia, setActivePinia } from 'pinia'
import { expect, test, vi } from 'vitest'
import { effectScope } from 'vue'

import { useLoad } from './useLoad'

test('nothing is loaded for a component that is gone', async () => {
  setActivePinia(createPinia())
  const load = vi.fn(async (signal: AbortSignal) => signal)
  const scope = effectScope()
  const { reload } = scope.run(() => useLoad(load)) ?? {}
  scope.stop()
  await reload?.()
  expect(load).toHaveBeenCalledOnce()
  expect(load.mock.calls[0]?.[0].aborted).toBe(true)
})

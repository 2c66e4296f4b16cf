import { expect, it } from 'vitest'
import { effectScope } from 'vue'

import type { KeyChange } from '@/api/changeFeed'
import { onKeyChange, publishChange } from './changes'

it('tells of changes until the listener is gone', () => {
  const heard: KeyChange[] = []
  const scope = effectScope()
  scope.run(() => onKeyChange((change) => heard.push(change)))
  const change = { event: 'put', key: 'a', version: '1' } as const
  publishChange(change)
  scope.stop()
  publishChange({ ...change, version: '2' })
  expect(heard).toEqual([change])
})

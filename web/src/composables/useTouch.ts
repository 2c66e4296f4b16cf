import { touchEntry, type Stamp } from '@/api/entry'
import { newIdempotencyKey } from '@/api/idempotency'
import { publishChange } from '@/stores/changes'
import { useAction } from './useAction'

/** Changes when an entry ends, without its value. */
export function useTouch(key: string) {
  let touched: Stamp | undefined
  const { run, error, running } = useAction(async (ttl: string, version: string) => {
    touched = await touchEntry(key, ttl, { version }, newIdempotencyKey())
    publishChange({ event: 'put', key, version: touched.version })
  })

  /** What the key has then, if it was done. */
  async function touch(ttl: string, version: string): Promise<Stamp | undefined> {
    return (await run(ttl, version)) ? touched : undefined
  }

  return { touch, error, running }
}

import { useI18n } from 'vue-i18n'

import { deleteEntry, putEntry, readEntry, type Entry, type Facts, type Put } from '@/api/entry'
import { ApiError } from '@/api/errors'
import { newIdempotencyKey } from '@/api/idempotency'
import { serverNow } from '@/api/serverClock'
import { publishChange } from '@/stores/changes'
import { useSession } from '@/stores/session'
import { useToasts } from '@/stores/toasts'
import { ttlUntil } from '@/value/ttl'
import { useAction } from './useAction'

/** Larger values are not kept for putting them back. */
export const UNDO_BYTES = 4 * 1024 * 1024

/** Deletes the version of a key that the person sees, and puts it back on request. */
export function useRemove(key: string) {
  const { t } = useI18n()
  const session = useSession()
  const toasts = useToasts()

  function canUndo(facts: Facts): boolean {
    const small = facts.size !== undefined && facts.size <= UNDO_BYTES
    return small && session.may('read', key) && session.may('write', key)
  }

  const { run, error, running } = useAction(async (facts: Facts) => {
    const entry = canUndo(facts) ? await readEntry(key) : undefined
    // If that is another version already, the service refuses.
    await deleteEntry(key, { version: facts.version }, newIdempotencyKey())
    publishChange({ event: 'delete', key, version: facts.version })
    toasts.show(t('value.deleted', { key }), {
      action: entry && { label: t('value.undo'), run: () => void restore(entry) },
    })
  })

  function restore(entry: Entry) {
    const now = serverNow()
    if (entry.expiresAt !== undefined && entry.expiresAt <= now) {
      toasts.show(t('value.undoExpired', { key }), { tone: 'info' })
      return
    }
    const { bytes, contentType } = entry
    const ttl = ttlUntil(entry.expiresAt, now)
    // Who has written the key in the meantime is not overwritten.
    return putBack({ key, bytes, contentType, ttl, precondition: 'absent' }, newIdempotencyKey())
  }

  async function putBack(put: Put, idempotencyKey: string) {
    try {
      const { version } = await putEntry(put, { idempotencyKey })
      publishChange({ event: 'put', key, version })
      toasts.show(t('value.restored', { key }))
    } catch (thrown) {
      const taken = thrown instanceof ApiError && thrown.status === 412
      toasts.show(taken ? t('value.undoTaken', { key }) : t('value.undoFailed', { key }), {
        tone: 'danger',
        action: taken
          ? undefined
          : { label: t('common.retry'), run: () => void putBack(put, idempotencyKey) },
      })
    }
  }

  return { remove: run, canUndo, error, running }
}

import { isNavigationFailure, NavigationFailureType, useRouter } from 'vue-router'

import { reload } from '@/router/reload'
import { useSession } from '@/stores/session'

/** Forgets the token, and all that it showed. */
export function useSignOut() {
  const session = useSession()
  const router = useRouter()

  return async () => {
    // A page on which something is not saved may object.
    const failure = await router.push({ name: 'sign-in' })
    if (isNavigationFailure(failure, NavigationFailureType.aborted)) return
    session.signOut()
    reload()
  }
}

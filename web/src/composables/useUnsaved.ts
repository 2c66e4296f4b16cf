import { useEventListener } from '@vueuse/core'
import { onScopeDispose, ref, watch, type Ref } from 'vue'
import { onBeforeRouteLeave, onBeforeRouteUpdate } from 'vue-router'

/** Asks before the person leaves something unsaved or unfinished behind: by a link, the back button, or by closing the page. */
export function useUnsaved(
  unsaved: Readonly<Ref<boolean>>,
  stays: (to: Address) => boolean = () => true,
) {
  const asking = ref(false)
  let answer: ((leave: boolean) => void) | undefined

  function ask(): Promise<boolean> {
    answer?.(false)
    asking.value = true
    return new Promise((resolve) => (answer = resolve))
  }

  function settle(leave: boolean) {
    asking.value = false
    answer?.(leave)
    answer = undefined
  }

  // What was asked about was done meanwhile: nothing is left behind.
  watch(unsaved, (unsaved) => asking.value && !unsaved && settle(true))
  onScopeDispose(() => settle(true))

  onBeforeRouteLeave(() => !unsaved.value || ask())
  onBeforeRouteUpdate((to) => !unsaved.value || stays(to) || ask())
  useEventListener('beforeunload', (event) => {
    if (unsaved.value) event.preventDefault()
  })

  return { asking, ask, leave: () => settle(true), stay: () => settle(false) }
}

type Address = Parameters<Parameters<typeof onBeforeRouteUpdate>[0]>[0]

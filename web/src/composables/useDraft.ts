import { refDebounced } from '@vueuse/core'
import { computed, shallowReactive } from 'vue'

import { useLimits } from '@/stores/limits'
import { draftProblems, isSameDraft, sizeOf, type DraftProblem, type Edit } from '@/value/draft'
import { isJsonType, jsonProblem } from '@/value/json'
import { useAction } from './useAction'

/** How long after the last change it is looked for mistakes. */
const CHECK_MS = 250

/** What a person writes, what is wrong with it, and whether it is still what it was. */
export function useDraft(edit: Edit) {
  const draft = shallowReactive({ ...edit.draft })
  const limits = useLimits()
  // Without the limits the service refuses what is over them.
  void useAction(limits.load).run()

  const size = computed(() => sizeOf(draft.content))
  const changed = computed(() => !isSameDraft(draft, edit.draft))
  const problems = computed(() => {
    const found = draftProblems(draft, limits.limits)
    const of = (field: DraftProblem['field']) => found.find((problem) => problem.field === field)
    return { all: found, of }
  })

  const isJson = computed(() => isJsonType(draft.contentType))
  const text = computed(() => (draft.content.kind === 'text' ? draft.content.text : ''))
  const settled = refDebounced(text, CHECK_MS)
  /** What keeps the text from being the JSON that its type says; it can be stored nevertheless. */
  const invalidJson = computed(() =>
    isJson.value && draft.content.kind === 'text' && settled.value !== ''
      ? jsonProblem(settled.value)
      : undefined,
  )

  return { draft, size, changed, problems, isJson, invalidJson }
}

import { computed } from 'vue'
import { useI18n } from 'vue-i18n'

/** What the editor says by itself: its own English words and ours. */
const PHRASES = {
  Find: 'find',
  Replace: 'replaceField',
  next: 'next',
  previous: 'previous',
  all: 'all',
  'match case': 'matchCase',
  'by word': 'byWord',
  regexp: 'regexp',
  replace: 'replace',
  'replace all': 'replaceAll',
  close: 'close',
  'current match': 'currentMatch',
  'on line': 'onLine',
  'replaced match on line $': 'replacedOne',
  'replaced $ matches': 'replacedAll',
  'Go to line': 'goToLine',
  go: 'go',
  'Fold line': 'fold',
  'Unfold line': 'unfoldLine',
  'folded code': 'folded',
  unfold: 'unfold',
  'Folded lines': 'foldedLines',
  'Unfolded lines': 'unfoldedLines',
  'Selection deleted': 'selectionDeleted',
  'Control character': 'controlCharacter',
  '$ unchanged lines': 'unchangedLines',
} as const

export function useEditorPhrases() {
  const { t } = useI18n()
  return computed(() =>
    Object.fromEntries(
      Object.entries(PHRASES).map(([english, key]) => [english, t(`editor.${key}`)]),
    ),
  )
}

import { EditorView } from '@codemirror/view'
import { waitFor } from '@testing-library/vue'

/** The editor with this name, once it is there. Queries do not look into its shadow root. */
export async function findEditor(label: string): Promise<EditorView> {
  return waitFor(() => {
    for (const host of document.querySelectorAll('*')) {
      const content = host.shadowRoot?.querySelector<HTMLElement>(`[aria-label="${label}"]`)
      const view = content && EditorView.findFromDOM(content)
      if (view) return view
    }
    throw new Error(`there is no editor ${label}`)
  })
}

/** Replaces what is in it, as typing does. */
export function write(view: EditorView, text: string) {
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } })
}

import { MergeView } from '@codemirror/merge'
import { EditorView } from '@codemirror/view'

import { editorBase, type EditorOptions } from './editor'

const theme = EditorView.theme({
  '&.cm-merge-a .cm-changedLine': { backgroundColor: 'var(--bs-danger-bg-subtle)' },
  '&.cm-merge-b .cm-changedLine': { backgroundColor: 'var(--bs-success-bg-subtle)' },
  '&.cm-merge-a .cm-changedText': { background: 'var(--bs-danger-border-subtle)' },
  '&.cm-merge-b .cm-changedText': { background: 'var(--bs-success-border-subtle)' },
  '.cm-collapsedLines': {
    color: 'var(--bs-body-color)',
    background: 'var(--bs-secondary-bg)',
  },
})

type Side = { text: string; label: string }

/** Two texts beside each other, with what differs marked. */
export function diffView(
  root: ShadowRoot,
  theirs: Side,
  mine: Side,
  options: Omit<EditorOptions, 'label' | 'readonly'>,
): MergeView {
  const side = ({ text, label }: Side) => ({
    doc: text,
    extensions: [editorBase(text, { ...options, label, readonly: true }), theme],
  })
  return new MergeView({
    a: side(theirs),
    b: side(mine),
    root,
    parent: root,
    collapseUnchanged: { margin: 3, minSize: 6 },
    // Texts that have little in common are compared roughly instead of for minutes.
    diffConfig: { scanLimit: 500, timeout: 1000 },
  })
}

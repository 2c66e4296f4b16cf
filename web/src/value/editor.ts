import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { json } from '@codemirror/lang-json'
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  syntaxHighlighting,
} from '@codemirror/language'
import { search, searchKeymap } from '@codemirror/search'
import { EditorState, type Extension } from '@codemirror/state'
import { EditorView, highlightSpecialChars, keymap, lineNumbers } from '@codemirror/view'
import { tags } from '@lezer/highlight'

export interface EditorOptions {
  /** What the field is called. */
  label: string
  language: 'text' | 'json'
  readonly: boolean
  /** What the editor says, in the person's language. */
  phrases: Record<string, string>
}

// Colours are Bootstrap's variables, which reach into the shadow root, so that the editor follows the theme.
const theme = EditorView.theme({
  '&': {
    color: 'var(--bs-body-color)',
    backgroundColor: 'transparent',
    fontSize: '0.8125rem',
    maxHeight: 'inherit',
  },
  '&.cm-focused': {
    outline: '2px solid var(--bs-primary-text-emphasis)',
    outlineOffset: '1px',
    borderRadius: 'var(--bs-border-radius-sm)',
  },
  '.cm-scroller': {
    fontFamily: 'var(--bs-font-monospace)',
    // What is stored is shown character by character.
    fontVariantLigatures: 'none',
    lineHeight: '1.6',
    overflow: 'auto',
  },
  // The whole field can be clicked, also if little is in it.
  '.cm-content, .cm-gutter': { minHeight: 'var(--editor-min-height, 3rem)' },
  '.cm-content': { caretColor: 'var(--bs-body-color)', padding: '0.5rem 0' },
  '.cm-gutters': {
    color: 'var(--bs-secondary-color)',
    backgroundColor: 'transparent',
    borderRight: '1px solid var(--bs-border-color)',
  },
  '.cm-panels': { color: 'var(--bs-body-color)', backgroundColor: 'var(--bs-secondary-bg)' },
  '.cm-panels input, .cm-panels button': {
    color: 'var(--bs-body-color)',
    background: 'var(--bs-tertiary-bg)',
    border: '1px solid var(--bs-border-color)',
    borderRadius: 'var(--bs-border-radius-sm)',
  },
  '.cm-searchMatch': { backgroundColor: 'var(--bs-warning-bg-subtle)' },
  '.cm-searchMatch-selected': { backgroundColor: 'var(--bs-warning-border-subtle)' },
  '.cm-foldPlaceholder': {
    color: 'var(--bs-body-color)',
    backgroundColor: 'var(--bs-secondary-bg)',
    border: 'none',
    padding: '0 0.375rem',
  },
  '&.cm-focused .cm-matchingBracket, &.cm-focused .cm-nonmatchingBracket': {
    backgroundColor: 'transparent',
    outline: '1px solid var(--bs-secondary-color)',
  },
  '.cm-specialChar': { color: 'var(--bs-danger-text-emphasis)' },
})

const highlighting = HighlightStyle.define([
  { tag: tags.propertyName, color: 'var(--code-name)' },
  { tag: tags.string, color: 'var(--code-string)' },
  { tag: tags.number, color: 'var(--code-number)' },
  { tag: [tags.bool, tags.null], color: 'var(--code-word)' },
  { tag: tags.invalid, color: 'var(--bs-danger-text-emphasis)' },
])

/**
 * What lines end with, so that a text leaves the editor as it came. Without an answer any of them ends a line, and all
 * become a line feed, which changes nothing where there are no carriage returns.
 */
export function lineSeparatorOf(text: string): string | undefined {
  if (!text.includes('\r')) return undefined
  return /\r(?!\n)|(?<!\r)\n/.test(text) ? '\n' : '\r\n'
}

function keepLineEnds(text: string): Extension {
  const separator = lineSeparatorOf(text)
  if (separator === undefined) return []
  const filter = (pasted: string) => pasted.replace(/\r\n|\r|\n/g, separator)
  return [EditorState.lineSeparator.of(separator), EditorView.clipboardInputFilter.of(filter)]
}

/** How every editor looks and is called. */
export function editorBase(text: string, options: EditorOptions): Extension[] {
  return [
    keepLineEnds(text),
    theme,
    lineNumbers(),
    highlightSpecialChars(),
    EditorView.lineWrapping,
    syntaxHighlighting(highlighting),
    options.language === 'json' ? json() : [],
    // Readable, searchable and selectable by keyboard, too: it keeps the focus, but takes no input.
    EditorState.readOnly.of(options.readonly),
    EditorView.contentAttributes.of({
      'aria-label': options.label,
      'aria-readonly': String(options.readonly),
    }),
    EditorState.phrases.of(options.phrases),
  ]
}

/** An editor with what a person expects of one. Escape, then Tab, leaves it; Tab alone indents where it can be written. */
export function editorState(
  text: string,
  options: EditorOptions & { changed: (text: string) => void },
): EditorState {
  return EditorState.create({
    doc: text,
    extensions: [
      editorBase(text, options),
      foldGutter(),
      history(),
      options.readonly ? [] : bracketMatching(),
      search({ top: true }),
      keymap.of([
        ...(options.readonly ? [] : [indentWithTab]),
        ...defaultKeymap,
        ...searchKeymap,
        ...historyKeymap,
        ...foldKeymap,
      ]),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) options.changed(update.state.sliceDoc())
      }),
    ],
  })
}

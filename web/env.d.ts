/// <reference types="vite/client" />
/// <reference types="unplugin-icons/types/vue" />

interface Window {
  /** Chromium has it, other browsers do not. */
  showSaveFilePicker?: (options: {
    suggestedName: string
    types: { accept: Record<`${string}/${string}`, `.${string}`[]> }[]
  }) => Promise<FileSystemFileHandle>
}

import { defineStore } from 'pinia'
import { ref } from 'vue'

export interface Toast {
  id: number
  text: string
  tone: 'success' | 'danger' | 'info'
  /** What the person can still do about it, for example undo. */
  action?: { label: string; run: () => void }
}

const MAX_TOASTS = 4
const SHOWN_MS = 8000

/** Short messages about what was just done. */
export const useToasts = defineStore('toasts', () => {
  const toasts = ref<Toast[]>([])
  let last = 0

  function show(text: string, options: Partial<Omit<Toast, 'id' | 'text'>> = {}) {
    const toast: Toast = { id: ++last, text, tone: 'success', ...options }
    toasts.value = [...toasts.value, toast].slice(-MAX_TOASTS)
    // What went wrong stays until the person has seen it.
    if (toast.tone !== 'danger') setTimeout(() => dismiss(toast.id), SHOWN_MS)
  }

  function dismiss(id: number) {
    toasts.value = toasts.value.filter((toast) => toast.id !== id)
  }

  return { toasts, show, dismiss }
})

import { defineAsyncComponent } from 'vue'

import LoadingState from '@/components/common/LoadingState.vue'
import PlainEditor from './PlainEditor.vue'

/** The editor, which is loaded when it is needed; a plain field if it cannot be. */
export const TextEditor = defineAsyncComponent({
  loader: () => import('./CodeEditor.vue'),
  loadingComponent: LoadingState,
  errorComponent: PlainEditor,
})

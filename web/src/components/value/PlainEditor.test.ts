import userEvent from '@testing-library/user-event'
import { render, screen } from '@testing-library/vue'
import { expect, test } from 'vitest'

import PlainEditor from './PlainEditor.vue'

test('text is written', async () => {
  const { emitted } = render(PlainEditor, { props: { modelValue: 'a', label: 'Value' } })
  await userEvent.type(screen.getByLabelText('Value'), 'b')
  expect(emitted('update:modelValue')).toEqual([['ab']])
})

test('text whose line ends it would change is only shown', () => {
  render(PlainEditor, { props: { modelValue: 'a\r\nb', label: 'Value' } })
  expect(screen.getByLabelText('Value')).toHaveAttribute('readonly')
})

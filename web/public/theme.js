// Sets the theme before anything is painted; `src/stores/preferences.ts` has the same rule for later changes.
;(() => {
  let theme = null
  try {
    theme = localStorage.getItem('kverse.theme')
  } catch {
    // Without storage the system decides.
  }
  if (theme !== 'light' && theme !== 'dark') {
    theme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'
  }
  document.documentElement.dataset.bsTheme = theme
})()

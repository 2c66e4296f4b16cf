/** Loads the page anew: nothing of what was in memory is left. */
export function reload() {
  location.reload()
}

/** How long an address of a file stays: the browser has begun to save it by then. */
const KEPT_MS = 60_000

/** Saves a file into the folder of downloads. */
export function saveFile(name: string, content: Blob) {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(content)
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS)
}

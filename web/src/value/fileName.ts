const EXTENSIONS: Record<string, string> = {
  'application/json': 'json',
  'application/pdf': 'pdf',
  'application/xml': 'xml',
  'image/gif': 'gif',
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/svg+xml': 'svg',
  'image/webp': 'webp',
  'text/csv': 'csv',
  'text/html': 'html',
  'text/plain': 'txt',
}
const MAX_CHARACTERS = 120

/** Under what name a value is saved: the end of its key, without what file systems do not take. */
export function fileNameOf(key: string, contentType: string): string {
  const last = key.split('/').filter(Boolean).at(-1) ?? ''
  const safe = [...last.replace(/[\p{C}\\:*?"<>|]/gu, '_')].slice(-MAX_CHARACTERS).join('')
  const name = /^[. ]*$/.test(safe) ? 'value' : safe
  const extension = EXTENSIONS[contentType.split(';')[0]?.trim().toLowerCase() ?? '']
  return extension === undefined || /\.\w{1,8}$/.test(name) ? name : `${name}.${extension}`
}

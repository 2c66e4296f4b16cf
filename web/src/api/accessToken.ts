/** The text of an access token: an id and a secret. */
const TOKEN = /^kv_([A-Za-z0-9]{1,32})_[A-Za-z0-9_-]{32,128}$/

/** The token in what was pasted, without the white space around it; `undefined` if it cannot be one. */
export function parseToken(text: string): string | undefined {
  const token = text.trim()
  return TOKEN.test(token) ? token : undefined
}

/**
 * By what the service recognises the retry of a write. `crypto.randomUUID` is only there in secure contexts, which a
 * service on the local network without TLS is not.
 */
export function newIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** A transport for `request` that tells how many bytes of the body are sent, which `fetch` does not. */
export function uploading(progress: (sent: number) => void) {
  return async (request: Request): Promise<Response> => {
    const body = await request.arrayBuffer()
    return new Promise((resolve, reject) => {
      const exchange = new XMLHttpRequest()
      exchange.open(request.method, request.url)
      request.headers.forEach((value, name) => exchange.setRequestHeader(name, value))
      exchange.upload.onprogress = ({ loaded }) => progress(loaded)
      exchange.onload = () => resolve(answer(exchange))
      exchange.onerror = () => reject(new TypeError('There was no answer.'))
      exchange.onabort = () => reject(new DOMException('The upload was ended.', 'AbortError'))
      request.signal.addEventListener('abort', () => exchange.abort(), { once: true })
      if (request.signal.aborted) exchange.abort()
      exchange.send(body)
    })
  }
}

function answer(exchange: XMLHttpRequest): Response {
  const headers = exchange
    .getAllResponseHeaders()
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()]
    })
  return new Response(exchange.responseText || null, {
    status: exchange.status,
    statusText: exchange.statusText,
    headers,
  })
}

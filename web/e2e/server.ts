import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const START_TIMEOUT_MS = 20_000

/** The token that may do everything on a server with `--auth tokens`, and that `Server` itself shows. */
export const ADMIN_TOKEN = `kv_admin_${'e2e'.repeat(15)}`

/** The server to test: `KVERSE_SERVER`, else the one that was built last for development. */
export function executable(): string {
  const target = process.env.CARGO_TARGET_DIR ?? resolve('../target')
  const path = process.env.KVERSE_SERVER ?? join(target, 'debug/kverse-server')
  if (!existsSync(path)) throw new Error(`there is no ${path}: cargo build -p kverse-server`)
  return path
}

async function freePort(): Promise<number> {
  const listener = createServer()
  await new Promise<void>((listening) => listener.listen(0, '127.0.0.1', listening))
  const address = listener.address()
  await new Promise((closed) => listener.close(closed))
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return address.port
}

/** A real KVerse on SQLite in a folder of its own. It can be stopped and started again on the same port and data. */
export class Server {
  private process: ChildProcess | undefined
  private log = ''
  private readonly directory = mkdtempSync(join(tmpdir(), 'kverse-e2e-'))
  private constructor(
    private readonly port: number,
    private readonly options: string[],
  ) {}

  /** Starts one with these options, for example `['--auth', 'tokens']`. */
  static async start(options: string[] = []): Promise<Server> {
    const server = new Server(await freePort(), options)
    await server.start()
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  async start(): Promise<void> {
    const environment = Object.entries(process.env).filter(([name]) => !name.startsWith('KVERSE_'))
    const child = spawn(
      executable(),
      ['--listen', `127.0.0.1:${this.port}`, '--shutdown-timeout', '1s', ...this.options],
      {
        env: {
          ...Object.fromEntries(environment),
          DATABASE_URL: `sqlite:${this.directory}/e2e.db`,
          ...(this.options.includes('--auth') && { KVERSE_BOOTSTRAP_TOKEN: ADMIN_TOKEN }),
        },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    )
    child.stderr.on('data', (text: Buffer) => (this.log += text.toString()))
    this.process = child
    const deadline = Date.now() + START_TIMEOUT_MS
    while (!(await this.lives())) {
      if (child.exitCode !== null || Date.now() > deadline) {
        throw new Error(`the server did not start:\n${this.log}`)
      }
      await new Promise((later) => setTimeout(later, 25))
    }
  }

  /** Stops it as a crash does, by default, or gracefully. The data stays. */
  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.process
    this.process = undefined
    if (!child || child.exitCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await ended
  }

  /** Starts it again with an empty database, as after it was restored from elsewhere. */
  async replace(): Promise<void> {
    await this.stop()
    for (const file of readdirSync(this.directory)) rmSync(join(this.directory, file))
    await this.start()
  }

  async remove(): Promise<void> {
    await this.stop()
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** A request of someone else than the person at the browser. */
  async fetch(path: string, init?: RequestInit): Promise<Response> {
    const headers = new Headers(init?.headers)
    headers.set('Authorization', `Bearer ${ADMIN_TOKEN}`)
    const response = await fetch(this.url + path, { ...init, headers })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response
  }

  /** Stores a value as someone else would. */
  async put(key: string, value: BodyInit, options: { type?: string; ttl?: string } = {}) {
    const { type = 'text/plain', ttl } = options
    // Not in the path: `fetch` would take `..` for a folder.
    const query = new URLSearchParams(ttl === undefined ? { key } : { key, ttl })
    await this.fetch(`/kv?${query}`, {
      method: 'PUT',
      body: value,
      headers: { 'Content-Type': type, Accept: 'application/octet-stream' },
    })
  }

  /** The value of a key, or `undefined`. */
  async get(key: string): Promise<string | undefined> {
    const response = await fetch(`${this.url}/kv?key=${encodeURIComponent(key)}`, {
      headers: { Accept: 'application/octet-stream', Authorization: `Bearer ${ADMIN_TOKEN}` },
    })
    return response.status === 404 ? undefined : response.text()
  }

  /** Makes a token, for example with the scopes `[{ verbs: ['read'], prefix: 'a/' }]`. */
  async token(name: string, scopes: { verbs: string[]; prefix?: string }[], ttl?: string) {
    const response = await this.fetch('/tokens', {
      method: 'POST',
      body: JSON.stringify({ name, scopes, ttl }),
      headers: { 'Content-Type': 'application/json' },
    })
    return (await response.json()) as { id: string; token: string }
  }

  /** What a request with this token is answered with. */
  async status(path: string, token: string): Promise<number> {
    const headers = { Authorization: `Bearer ${token}` }
    return (await fetch(this.url + path, { headers })).status
  }

  private async lives(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/livez`)).ok
    } catch {
      return false
    }
  }
}

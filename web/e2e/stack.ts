import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { executable } from './server'

const SCRIPT = '../ops/scripts/stack.sh'

/** Two servers that share a PostgreSQL and a Redis, behind Nginx: see ops/scripts/stack.sh. */
export class Stack {
  private readonly directory = mkdtempSync(join(tmpdir(), 'kverse-stack-'))
  private addresses = new Map<string, string>()
  private constructor() {}

  static start(): Stack {
    const stack = new Stack()
    chmodSync(stack.directory, 0o755) // PostgreSQL runs as another user.
    stack.up('--free-ports', '--no-monitoring')
    return stack
  }

  get url(): string {
    return this.address('NGINX_URL')
  }

  server(number: 1 | 2): string {
    return this.address(`SERVER${number}_URL`)
  }

  /** Ends a server as a crash does. */
  kill(number: 1 | 2) {
    const [pid] = readFileSync(join(this.directory, `server${number}.pid`), 'utf8').split(' ')
    process.kill(Number(pid), 'SIGKILL')
  }

  /** Starts what does not run. */
  up(...options: string[]) {
    const said = this.run('up', ...options)
    this.addresses = new Map(
      said
        .trim()
        .split('\n')
        .map((line) => line.split(/=(.*)/s, 2) as [string, string]),
    )
  }

  remove() {
    this.run('down', '--volumes')
    rmSync(this.directory, { recursive: true, force: true })
  }

  private run(command: string, ...options: string[]): string {
    return execFileSync(SCRIPT, [command, '--directory', this.directory, ...options], {
      encoding: 'utf8',
      env: { ...process.env, KVERSE_SERVER: executable() },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  }

  private address(name: string): string {
    const address = this.addresses.get(name)
    if (address === undefined) throw new Error(`the stack has no ${name}`)
    return address
  }
}

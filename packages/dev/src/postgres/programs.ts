import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../ports.js'
import type { ServerUser } from './server-user.js'

/** Time for a fast shutdown in ms. Then follows an immediate one, with recovery at the next start. */
const FAST_SHUTDOWN_MS = 8_000
const START_ATTEMPTS = 20
const RETRY_MS = 250

/** A running server. */
export interface Server { port: number, pid: number, ended: Promise<number> }

/** Runs PostgreSQL's programs as the server's user, one at a time. */
export class ServerPrograms {
  readonly #bin: string
  readonly #user: ServerUser
  #running: { child: ChildProcess, ended: Promise<number> } | undefined
  #ending = false

  constructor (bin: string, user: ServerUser) {
    this.#bin = bin
    this.#user = user
  }

  /**
   * Runs a program to its end.
   *
   * @throws Error with the program's output if it fails
   */
  async run (program: string, args: string[]): Promise<void> {
    const { child, ended, said } = this.#spawn(program, args)
    child.stdin?.end()
    const code = await ended
    if (code !== 0) throw new Error(`${program} ended with ${code}: ${said()}`)
  }

  /**
   * Starts the server on a free loopback port, and waits until it accepts connections.
   *
   * @param durable false for temporary data, which is then not fsynced
   * @throws Error with the server's output if it does not start
   */
  async serve (data: string, durable: boolean): Promise<Server> {
    for (let attempt = 1; ; attempt++) {
      const port = await freePort()
      const settings = {
        listen_addresses: '127.0.0.1', unix_socket_directories: '', max_connections: 500, lc_messages: 'C', fsync: durable ? 'on' : 'off'
      }
      const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
      const { child, ended, said } = this.#spawn('postgres', ['-D', data, '-p', String(port), ...flags])
      const ready = new Promise<boolean>(resolve => child.stderr?.on('data', () => {
        if (said().includes('ready to accept connections')) resolve(true)
      }))
      if (await Promise.race([ready, ended.then(() => false)]) && child.pid) return { port, pid: child.pid, ended }
      // Retries if the port was taken in between, or processes of a killed server are still running.
      const passing = /Address already in use|is still in use/.test(said())
      if (!passing || attempt === START_ATTEMPTS || this.#ending) throw new Error(`PostgreSQL did not start: ${said()}`)
      await delay(RETRY_MS)
    }
  }

  /** Stops the running program; a server rolls back open transactions and disconnects its clients. */
  async end (): Promise<void> {
    this.#ending = true
    if (!this.#running) return
    const { child, ended } = this.#running
    child.kill('SIGINT')
    const force = setTimeout(() => child.kill('SIGQUIT'), FAST_SHUTDOWN_MS)
    await ended
    clearTimeout(force)
  }

  #spawn (program: string, args: string[]) {
    if (this.#ending) throw new Error('ended before PostgreSQL was ready')
    const child = spawn(join(this.#bin, program), args, {
      ...this.#user,
      // A folder that every user can enter, and an environment without the caller's PG* variables and locale.
      cwd: '/',
      env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['pipe', 'ignore', 'pipe']
    })
    let output = ''
    child.stderr?.setEncoding('utf8').on('data', text => { output = (output + text).slice(-2_000) })
    const ended = new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', code => { this.#running = undefined; resolve(code ?? 1) })
    })
    child.stdin?.on('error', () => {})
    this.#running = { child, ended }
    return { child, ended, said: () => output.trim() }
  }
}

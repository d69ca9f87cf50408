import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** New and changed files, kept in memory until all are complete, so that either all are written or none. */
export class Changes {
  readonly #root: string
  readonly #texts = new Map<string, string>()

  /** @param root folder to which all paths are relative */
  constructor (root: string) {
    this.#root = root
  }

  exists (path: string): boolean {
    return this.#texts.has(path) || existsSync(join(this.#root, path))
  }

  /** Names of the entries of a folder on disk; empty if the folder does not exist. */
  list (path: string): string[] {
    return existsSync(join(this.#root, path)) ? readdirSync(join(this.#root, path)) : []
  }

  read (path: string): string {
    return this.#texts.get(path) ?? readFileSync(join(this.#root, path), 'utf8')
  }

  /** @throws Error if the file exists */
  create (path: string, text: string): void {
    if (this.exists(path)) throw new Error(`${path} already exists`)
    this.#texts.set(path, text)
  }

  edit (path: string, change: (text: string) => string): void {
    this.#texts.set(path, change(this.read(path)))
  }

  /**
   * Inserts lines after the last line that matches.
   *
   * @throws Error if no line matches
   */
  insertAfter (path: string, pattern: RegExp, lines: string): void {
    this.edit(path, text => {
      const all = text.split('\n')
      const index = all.findLastIndex(line => pattern.test(line))
      if (index < 0) throw new Error(`${path} has no line like ${pattern}, after which to insert`)
      return [...all.slice(0, index + 1), ...lines.split('\n'), ...all.slice(index + 1)].join('\n')
    })
  }

  /** @throws Error if a file cannot be written; the files written before it are then restored */
  async write (): Promise<void> {
    const undo: Array<() => Promise<void>> = []
    try {
      for (const [path, text] of this.#texts) {
        const file = join(this.#root, path)
        const before = existsSync(file) ? readFileSync(file) : undefined
        const made = await mkdir(dirname(file), { recursive: true })
        undo.unshift(async () => {
          if (before) await writeFile(file, before)
          else await rm(made ?? file, { recursive: true, force: true })
        })
        await writeFile(file, text)
      }
    } catch (error) {
      for (const step of undo) await step()
      throw error
    }
  }
}

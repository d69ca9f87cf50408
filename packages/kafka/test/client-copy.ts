import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { newName } from '../../../test/fixtures/records.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
/** The folder of the client. */
export const client = fileURLToPath(new URL('..', import.meta.url))

/** Copies the built client until the test ends. @returns the folder of the copy */
export function copyClient (): string {
  const copy = `${root}.data/${newName('copy')}`
  mkdirSync(copy, { recursive: true })
  onTestFinished(() => rmSync(copy, { recursive: true }))
  cpSync(`${client}dist`, `${copy}/dist`, { recursive: true })
  cpSync(`${client}package.json`, `${copy}/package.json`)
  symlinkSync(`${root}node_modules`, `${copy}/node_modules`)
  return copy
}

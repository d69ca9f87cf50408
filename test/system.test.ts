import { fileURLToPath } from 'node:url'
import { missingRegistrations, readSystem, systemFolders } from '@pair/dev'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

// A service is a folder. What cannot be derived from it is written by `npm run new-service`, and named here where it was forgotten.
test.each(systemFolders(root).map(system => [system || 'the pair', system] as const))('%s: each service stands where no tool can derive it', (_name, system) => {
  expect(missingRegistrations(root, readSystem(system))).toEqual([])
})

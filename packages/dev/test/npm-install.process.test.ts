import { execFile } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { cloneRepository } from './clone.js'

const npm = (cwd: string, ...args: string[]) => promisify(execFile)('npm', [...args, '--offline', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd })

test('npm install and npm uninstall in a built tree leave the compiled librdkafka where it is, also when folders are newer than npm\'s record', async () => {
  const clone = await cloneRepository()
  const one = join(clone, 'is-number')
  await mkdir(one)
  await writeFile(join(one, 'package.json'), '{ "name": "is-number", "version": "7.0.0" }')
  const features = async () => {
    await writeFile(join(clone, 'node_modules', '.newer'), '') // as every build does
    await rm(join(clone, 'node_modules', '.newer'))
    const { stdout } = await promisify(execFile)(process.execPath, ['-p', 'require("node-rdkafka").features.join()'], { cwd: clone })
    return stdout
  }
  const before = await features()
  for (const args of [['install', './is-number'], ['install'], ['uninstall', 'is-number']]) {
    await npm(clone, ...args)
    expect(await features(), `npm ${args.join(' ')}`).toBe(before)
  }
  expect(before).toMatch(/ssl.*sasl_scram/)
})

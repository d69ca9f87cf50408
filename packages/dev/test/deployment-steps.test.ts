import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { deploymentSteps } from '../dist/generate/deployment-steps.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const topic = { topic: 'user_register', constant: 'userRegister' }

/** The lines of the alert rule that has this name. */
function ruleOf (alert: string): string {
  const rule = readFileSync(join(root, 'observability/alerts.yml'), 'utf8').split('- alert: ').find(text => text.startsWith(`${alert}\n`))
  if (rule === undefined) throw new Error(`there is no alert ${alert}`)
  return rule
}

test.each([
  [{ name: 'user', hasDatabase: true, receives: [], sends: [topic] }, 3000],
  [{ name: 'profile', hasDatabase: true, receives: [topic], sends: [] }, 3001]
])('the steps for Kubernetes and alerts are those that were done for $name', (service, port) => {
  const steps = deploymentSteps(service, port).map(line => line.split(/ {3}/))
  for (const [path, step = ''] of steps) {
    expect(existsSync(join(root, path!)), path).toBe(true)
    const [, alert, expression] = /^in (\w+): or (absent\(.+\))$/.exec(step) ?? []
    if (alert !== undefined) expect(ruleOf(alert)).toContain(expression)
  }
  expect(steps).toHaveLength(4)
})

test('a service without a database has no secret and no outbox to watch', () => {
  const steps = deploymentSteps({ name: 'mailer', hasDatabase: false, receives: [], sends: [topic] }, 3003).join('\n')
  expect(steps).toContain('a copy of profile.yaml for mailer and port 3003, without secretRef')
  expect(steps).not.toMatch(/mailer-secrets|outbox/)
})

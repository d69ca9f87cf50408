import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connectionVariables } from '@pair/kafka/connection'
import { userRegister } from '@pair/shared-topics'
import type { IScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1'
import type { IDeployment } from 'kubernetes-models/apps/v1'
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1'
import type { IConfigMap, IContainer, ISecret, IService } from 'kubernetes-models/v1'
import { afterAll, describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { requestConnections, workConnections } from '../packages/service/dist/limits.js'
import { readSettings, settingNames } from '../packages/service/dist/settings/settings.js'
import { readSystem } from '../packages/dev/dist/system.js'
import { faultsOf } from './fixtures/kubernetes.js'
import { blocksOf } from './fixtures/pages.js'

type Manifest = IConfigMap | IDeployment | IPodDisruptionBudget | IScaledObject | ISecret | IService
type Of<Kind extends Manifest['kind']> = Extract<Manifest, { kind: Kind }>

interface ComposeService {
  image: string
  read_only: boolean
  tmpfs: string[]
  cap_drop: string[]
  security_opt: string[]
  environment: Record<string, string>
  healthcheck: { test: string[], interval: string, timeout: string, retries: number, start_period: string }
}

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'deploy/kubernetes')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const json = (path: string) => JSON.parse(read(path))
const manifestsIn = (text: string) => parseAllDocuments(text).map(document => {
  expect(document.errors).toEqual([]) // a key that is there twice
  return document.toJS() as Manifest
})
const manifests = (file: string) => manifestsIn(read(`deploy/kubernetes/${file}`))
const one = <Kind extends Manifest['kind']>(all: Manifest[], kind: Kind, name: string): Of<Kind> => {
  const found = all.find(manifest => manifest.kind === kind && manifest.metadata?.name === name)
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`)
  return found as Of<Kind>
}
const podOf = (deployment: IDeployment) => deployment.spec!.template.spec!
const settings = Object.fromEntries(read('deploy/kubernetes/settings.env').split('\n').filter(line => /^[^#]/.test(line)).map(line => line.split(/=(.*)/).slice(0, 2))) as Record<string, string>
const secrets = manifests('secrets.example.yaml') as ISecret[]
const secret = (name: string) => one(secrets, 'Secret', name).stringData!
const compose: { services: Record<string, ComposeService> } = parse(read('docker-compose.yml'), { merge: true })
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.yaml') && !name.endsWith('kustomization.yaml'))

describe('the schemas of Kubernetes', () => {
  // The server adds what a patch leaves out, so a patch is judged in what kubectl makes of it, below.
  test.each(files.filter(file => !file.startsWith('migrate/')))('describe each field of %s', file => {
    expect(manifests(file).flatMap(manifest => faultsOf({ ...manifest }))).toEqual([])
  })

  test('find a field that they do not know, a value that they do not allow, and a kind that is none', () => {
    const [deployment] = manifests('user.yaml')
    const broken = (change: (container: Record<string, unknown>) => void) => {
      const copy = structuredClone(deployment) as IDeployment
      change(podOf(copy).containers[0] as unknown as Record<string, unknown>)
      return faultsOf({ ...copy })
    }
    expect(broken(container => { container['livenesProbe'] = container['livenessProbe'] })).toEqual(['/spec/template/spec/containers/0/livenesProbe is not in the schema'])
    expect(broken(container => { container['imagePullPolicy'] = 'Sometimes' })).toEqual([expect.stringContaining('containers/0/imagePullPolicy')])
    expect(broken(container => { delete container['name'] })).toEqual([expect.stringContaining('name')])
    expect(faultsOf({ ...deployment, apiVersion: 'apps/v2' })).toEqual(['no schema for apps/v2 Deployment'])
  })
})

// `npm run new-service` writes no manifest.
const pair = readSystem().services.filter(({ name }) => ['user', 'profile'].includes(name))

describe.each(pair.map(service => [service.name, service] as const))('the %s service in Kubernetes', (name, { port, database }) => {
  const all = manifests(`${name}.yaml`)
  const deployment = one(all, 'Deployment', name)
  const pod = podOf(deployment)
  const container = pod.containers[0]!
  const composed = compose.services[name]!

  /** What the container's environment would be: that of the image, and what the manifest gives. */
  const environment = (): Record<string, string> => {
    expect(container).not.toHaveProperty('env')
    expect(referencesOf([container])).toEqual(['settings', `${name}-secrets`])
    return { ...settings, ...secret(`${name}-secrets`) }
  }

  test('runs the image that Compose builds, at the version of package.json, and nothing beside it', () => {
    expect(pod.containers).toHaveLength(1)
    expect(container.image).toBe(`${/:-(.+)}$/.exec(composed.image)?.[1]}:${json('package.json').version}`)
    expect(container).not.toHaveProperty('command') // the image's own: node is the first process, and hears SIGTERM
    expect(container).not.toHaveProperty('args')
  })

  test('listens where Compose does, and has a Service of that name and port', () => {
    expect(container.ports).toEqual([{ name: 'http', containerPort: port }])
    expect(one(all, 'Service', name).spec?.ports).toEqual([{ name: 'http', port, targetPort: 'http' }])
  })

  test('has no more rights than in Compose, as the user of the Dockerfile', () => {
    const [, user, group] = /^USER (\d+):(\d+)$/m.exec(read('Dockerfile'))!
    expect(pod.securityContext).toEqual({ runAsNonRoot: true, runAsUser: Number(user), runAsGroup: Number(group), seccompProfile: { type: 'RuntimeDefault' } })
    expect(container.securityContext).toEqual({
      readOnlyRootFilesystem: composed.read_only,
      allowPrivilegeEscalation: !composed.security_opt.includes('no-new-privileges:true'),
      capabilities: { drop: composed.cap_drop }
    })
    expect(container.securityContext).toMatchObject({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false })
    expect(container.volumeMounts?.map(({ mountPath }) => mountPath)).toEqual(composed.tmpfs)
    expect(pod.volumes).toEqual([expect.objectContaining({ name: container.volumeMounts![0]!.name, emptyDir: expect.objectContaining({ medium: 'Memory' }) })])
    expect(pod).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false })
  })

  test('has the settings that it has in Compose, two for its end, and no others, and starts with them', () => {
    const env = environment()
    expect(Object.keys(env).sort()).toEqual([...Object.keys(composed.environment), 'SHUTDOWN_DELAY_MS', 'SHUTDOWN_GRACE_MS'].sort())
    expect(readSettings({ PORT: port }, env)).toMatchObject({ PORT: port, KAFKA_PREFIX: '', kafka: { 'metadata.broker.list': settings['KAFKA_BROKERS'] } })
  })

  test('has a database of its own, named as in Compose, and a placeholder for its password', () => {
    const { username, password, pathname } = new URL(environment()['DATABASE_URL']!)
    expect({ username, pathname }).toEqual({ username: database, pathname: `/${database}` })
    expect(new URL(composed.environment['DATABASE_URL']!)).toMatchObject({ username, pathname })
    expect(password).toBe('CHANGE-ME')
  })

  test('has more time to end than it takes at most, without a hook that would add to it', () => {
    const { SHUTDOWN_DELAY_MS, SHUTDOWN_GRACE_MS } = readSettings({ PORT: port }, environment())
    expect(SHUTDOWN_DELAY_MS).toBeGreaterThan(0) // Services send requests on for a moment, which Compose does not have
    expect(pod.terminationGracePeriodSeconds! * 1000).toBeGreaterThanOrEqual(SHUTDOWN_DELAY_MS + SHUTDOWN_GRACE_MS + 2000)
    expect(container).not.toHaveProperty('lifecycle')
    expect(container.livenessProbe).not.toHaveProperty('terminationGracePeriodSeconds')
  })

  test('is restarted where it does not answer, and gets requests where it is ready, as often looked at as by Compose', () => {
    const { test: command, interval, timeout, retries, start_period: start } = composed.healthcheck
    const seconds = (text: string) => Number(/^(\d+)s$/.exec(text)?.[1])
    const [live, ready] = ['/health/live', '/health/ready'].map(path => ({ path, port: 'http' }))
    expect(read('packages/service/src/http/health.ts')).toContain("app.get('/health/live'")
    expect(command.join(' ')).toContain(ready!.path)
    expect(container.readinessProbe).toEqual({ httpGet: ready, periodSeconds: seconds(interval), timeoutSeconds: seconds(timeout), failureThreshold: retries })
    // Never `ready`: migrations and outages would end the process that waits for their end.
    expect(container.livenessProbe).toMatchObject({ httpGet: live, timeoutSeconds: seconds(timeout) })
    expect(container.startupProbe).toMatchObject({ httpGet: live, timeoutSeconds: seconds(timeout) })
    expect(container.startupProbe!.periodSeconds! * container.startupProbe!.failureThreshold!).toBe(seconds(start))
  })

  test('is found by its Service and its budget, and goes one pod at a time', () => {
    const budget = one(all, 'PodDisruptionBudget', name).spec!
    const { labels } = deployment.spec!.template.metadata!
    for (const selector of [deployment.spec!.selector.matchLabels, one(all, 'Service', name).spec?.selector, budget.selector?.matchLabels, pod.topologySpreadConstraints?.[0]?.labelSelector?.matchLabels]) {
      expect(selector).toEqual(labels)
    }
    expect(labels).toEqual({ 'app.kubernetes.io/name': name })
    expect(deployment.spec!.replicas).toBeGreaterThan(1)
    expect(budget.maxUnavailable).toBe(1)
    expect(deployment.spec!.strategy?.rollingUpdate).toEqual({ maxSurge: 1, maxUnavailable: 0 })
  })

  test('has the memory that was measured, and more until it is ended', () => {
    const MiB = (quantity: unknown) => Number(/^(\d+)Mi$/.exec(String(quantity))?.[1])
    const measured = /^\| memory meanwhile \| (\d+) MB; (\d+) MB/m.exec(read('docs/benchmarks.md'))!.slice(1).map(Number)
    const bound = Number(/The service stays below (\d+) MB/.exec(read('docs/operations.md'))?.[1])
    expect(MiB(container.resources?.requests?.['memory'])).toBeGreaterThanOrEqual(Math.max(...measured))
    expect(MiB(container.resources?.limits?.['memory'])).toBeGreaterThanOrEqual(bound * 1.5)
    expect(container.resources?.limits).not.toHaveProperty('cpu')
  })

  test('migrates with the same image and rights, and a role that the service itself does not have, where that is asked for', () => {
    const [migrate, ...others] = podOf(one(manifests(`migrate/${name}.yaml`), 'Deployment', name)).initContainers!
    expect(others).toEqual([])
    expect(migrate).toMatchObject({ image: container.image, securityContext: container.securityContext!, resources: container.resources!, command: ['node', 'dist/server.js', 'migrate'] })
    expect(migrate!.envFrom).toEqual([{ secretRef: { name: `${name}-migration-secrets` } }])
    const { MIGRATION_DATABASE_URL: url, ...rest } = secret(`${name}-migration-secrets`)
    expect(rest).toEqual({})
    expect(new URL(url!)).toMatchObject({ password: 'CHANGE-ME', pathname: `/${database}` })
    expect(settingNames).toContain('MIGRATION_DATABASE_URL')
  })
})

test('what the services are given are settings, which another page explains', () => {
  const known = [...settingNames, ...connectionVariables]
  expect([settings, ...secrets.map(({ stringData }) => stringData!)].flatMap(given => Object.keys(given)).filter(name => !known.includes(name))).toEqual([])
})

test.each(['profile.yaml', 'migrate/profile.yaml'])('%s differs from that of the user service in names and port only', file => {
  const ofUser = JSON.stringify(manifests(file.replace('profile', 'user')))
  expect(manifests(file)).toEqual(JSON.parse(ofUser.replaceAll('user', 'profile').replaceAll('3000', '3001')))
})

test('every manifest is applied, but for the secrets: those would be replaced by placeholders', () => {
  expect(parse(read('deploy/kubernetes/kustomization.yaml')).resources.sort()).toEqual(files.filter(file => !file.includes('/') && file !== 'secrets.example.yaml').sort())
})

test('docs/deployment.md counts the connections to the databases of all pods, with one more of each service in a rolling update', () => {
  const each = requestConnections + workConnections
  const [users, profiles] = ['user', 'profile'].map(name => one(manifests(`${name}.yaml`), 'Deployment', name).spec!.replicas!)
  const most = one(manifests('keda/scaled-object.yaml'), 'ScaledObject', 'profile').spec!.maxReplicaCount!
  const sum = (pods: number) => `${pods} × ${each} = ${pods * each}`
  const page = read('docs/deployment.md')
  expect(page).toContain(`Each pod takes up to ${each}.`)
  expect(page).toContain(sum(users! + profiles! + 2))
  expect(page).toContain(sum(users! + most + 2))
})

test('the scaler looks at the group and the topic of the profile service, and goes from what is there to one for each partition', () => {
  const { spec } = one(manifests('keda/scaled-object.yaml'), 'ScaledObject', 'profile')
  expect(spec?.scaleTargetRef.name).toBe('profile')
  expect(spec?.minReplicaCount).toBe(one(manifests('profile.yaml'), 'Deployment', 'profile').spec?.replicas)
  expect(spec?.maxReplicaCount).toBe(userRegister.partitions)
  expect(spec?.triggers).toEqual([{
    type: 'kafka',
    metadata: {
      bootstrapServersFromEnv: 'KAFKA_BROKERS',
      consumerGroup: 'profile-service', // from its folder
      topic: userRegister.name,
      offsetResetPolicy: /'auto.offset.reset': '(\w+)'/.exec(read('packages/service/src/app/kafka.ts'))?.[1],
      lagThreshold: expect.stringMatching(/^\d+$/),
      version: expect.stringMatching(/^[2-9]\./)
    }
  }])
})

describe('what kubectl makes of it', () => {
  const without = kubectlIsMissing()
  const temp = mkdtempSync(join(tmpdir(), 'kubernetes-'))
  afterAll(() => rmSync(temp, { recursive: true, force: true }))
  const rendered = (path: string) => manifestsIn(execFileSync('kubectl', ['kustomize', path], { encoding: 'utf8' }))

  test('is valid, and has the settings under a name with a hash of them', ({ skip }) => {
    skip(without !== undefined, without)
    const all = rendered(folder)
    expect(all.flatMap(manifest => faultsOf({ ...manifest }))).toEqual([])
    expect(all.map(({ kind }) => kind).sort()).toEqual(['ConfigMap', 'Deployment', 'Deployment', 'PodDisruptionBudget', 'PodDisruptionBudget', 'Service', 'Service'])
    const map = all.find(({ kind }) => kind === 'ConfigMap') as IConfigMap
    expect(map.metadata?.name).toMatch(/^settings-\w+$/)
    expect(map.data).toEqual(settings)
    for (const name of ['user', 'profile']) expect(referencesOf(podOf(one(all, 'Deployment', name)).containers)).toEqual([map.metadata?.name, `${name}-secrets`])
  })

  test('is valid with both options and the overlay of docs/deployment.md, whose images and settings reach all containers', ({ skip }) => {
    skip(without !== undefined, without)
    const blocks = blocksOf(read('docs/deployment.md')).filter(({ heading }) => heading === 'What you change').map(({ text }) => `${text}\n`)
    const overlay = ['resources:', 'patches:'].map(start => blocks.find(block => block.startsWith(start))).join('')
    const { images, namespace, components } = parse(overlay) as { images: { name: string, newName: string, newTag: string }[], namespace: string, components: string[] }
    expect(components.map(path => path.split('/').at(-1)).sort()).toEqual(['keda', 'migrate'])
    cpSync(join(root, 'deploy'), join(temp, 'deploy'), { recursive: true })
    writeFileSync(join(temp, 'kustomization.yaml'), overlay)

    const all = rendered(temp)
    expect(all.flatMap(manifest => faultsOf({ ...manifest }))).toEqual([])
    for (const { metadata } of all) expect(metadata?.namespace).toBe(namespace)
    const map = all.find(({ kind }) => kind === 'ConfigMap') as IConfigMap
    expect(map.data).toEqual({ ...settings, KAFKA_BROKERS: expect.stringMatching(/:9093/), KAFKA_SECURITY_PROTOCOL: 'sasl_ssl', KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512' })
    for (const name of ['user', 'profile']) {
      const { containers, initContainers = [] } = podOf(one(all, 'Deployment', name))
      const { newName, newTag } = images.find(image => image.name.endsWith(name))!
      expect([...initContainers, ...containers].map(({ image }) => image)).toEqual(Array(2).fill(`${newName}:${newTag}`))
      expect(referencesOf(initContainers)).toEqual([`${name}-migration-secrets`])
      expect(referencesOf(containers)).toEqual([map.metadata?.name, `${name}-secrets`])
      expect(containers[0]?.volumeMounts).toContainEqual({ name: 'kafka-ca', mountPath: '/etc/kafka', readOnly: true })
    }
    // Otherwise each apply would undo what the scaler has done.
    expect(one(all, 'Deployment', 'profile').spec).not.toHaveProperty('replicas')
    expect(one(all, 'Deployment', 'user').spec).toHaveProperty('replicas')
  })
})

/** The config maps and secrets that containers take their environment from. */
function referencesOf (containers: IContainer[]): (string | undefined)[] {
  return containers.flatMap(({ envFrom = [] }) => envFrom.map(({ configMapRef, secretRef }) => configMapRef?.name ?? secretRef?.name))
}

function kubectlIsMissing (): string | undefined {
  const { error, stdout } = spawnSync('kubectl', ['version', '--client', '--output=json'], { encoding: 'utf8' })
  if (error !== undefined) return 'there is no kubectl'
  return stdout.includes('kustomizeVersion') ? undefined : 'this kubectl has a kustomize without components'
}

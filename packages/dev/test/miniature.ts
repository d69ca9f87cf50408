import { cp, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { repository, temporary } from './running.js'

/**
 * A repository with this one's launcher and stand-ins for the services, to test the launcher with services that misbehave.
 *
 * @param services source code by service name; `server` is in scope and answers 200. A service called "stateless" has no database
 */
export async function miniature (services: Record<string, string>): Promise<string> {
  const root = await temporary()
  await cp(join(repository, 'packages', 'dev', 'dist'), join(root, 'packages', 'dev', 'dist'), { recursive: true })
  await writeFile(join(root, 'package.json'), '{ "type": "module", "system": { "ready": ["Try localhost:{user}."] } }')
  await symlink(join(repository, 'node_modules'), join(root, 'node_modules'))
  for (const [index, [name, body]] of Object.entries(services).entries()) {
    const folder = join(root, 'microservices', name)
    await mkdir(join(folder, 'dist'), { recursive: true })
    await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module', service: { port: 3000 + index, database: name !== 'stateless' } }))
    await writeFile(join(folder, 'dist', 'server.js'), `
      import { createServer } from 'node:http'
      const server = createServer((request, response) => response.end('{}'))
      server.listen(process.env.PORT, process.env.HOST)
      ${body}
    `)
  }
  return root
}

/** Source of a service that ends at a signal. */
export const polite = 'process.on("SIGTERM", () => { console.log("drained"); process.exit(0) })'

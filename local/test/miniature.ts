import { cp, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { repository, temporary } from './running.js'

/**
 * A repository that has the launcher of this one, and stand-ins for the services: the launcher's own behaviour can be tried
 * with services that misbehave.
 *
 * @param services what a service's process does, by its name; it has `port` and `server`, which answers 200
 */
export async function miniature (services: Record<'user' | 'profile', string>): Promise<string> {
  const root = await temporary()
  await cp(join(repository, 'local', 'dist'), join(root, 'local', 'dist'), { recursive: true })
  await writeFile(join(root, 'package.json'), '{ "type": "module" }')
  await symlink(join(repository, 'node_modules'), join(root, 'node_modules'))
  for (const [name, body] of Object.entries(services)) {
    const folder = join(root, 'microservices', name, 'dist')
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'server.js'), `
      import { createServer } from 'node:http'
      const server = createServer((request, response) => response.end('{}'))
      server.listen(process.env.PORT, process.env.HOST)
      ${body}
    `)
  }
  return root
}

/** Ends as soon as it is told to. */
export const polite = 'process.on("SIGTERM", () => { console.log("drained"); process.exit(0) })'

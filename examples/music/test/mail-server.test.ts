import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { collectGarbage } from '../../../test/fixtures/garbage.js'
import { MailServer } from '../microservices/mailing/dist/mails/mail-server.js'

test('a mail server whose answer has no end is given up after 9 s, also when the garbage collector runs', async () => {
  const server = createServer(socket => {
    socket.on('error', () => {}).write('220 ready\r\n')
    const timer = setInterval(() => socket.write('250-more\r\n'), 200)
    socket.once('close', () => clearInterval(timer))
    onTestFinished(() => { socket.destroy() })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => { server.close() })
  collectGarbage()
  const mailServer = new MailServer(`smtp://127.0.0.1:${(server.address() as AddressInfo).port}`, 'welcome@example.com')
  await expect(mailServer.verify(new AbortController().signal)).rejects.toThrow('no answer within 9000 ms')
})

import { expect, test } from 'vitest'
import { newAuthority, noOpenssl } from './fixtures/certificates.js'
import { brokers, openDatabase, start, useBroker } from './fixtures/harness.js'
import { expectNoSecret } from './fixtures/secrets.js'
import { checks, eventually, expectAway, profileOf, reasonsOf, registered, up, within15s } from './fixtures/services.js'
import { startTlsFront } from './fixtures/tls-front.js'

// A broker whose certificate is not what it should be, and whole services.

useBroker()

const authority = noOpenssl ? undefined : newAuthority()
const host = '127.0.0.1'

test.skipIf(noOpenssl).for([
  ['of an authority that is not trusted', () => newAuthority().sign(host), /^certificate verify failed: its authority/],
  ['that has expired', () => authority!.sign(host, -1), /^certificate verify failed: .*expired/],
  ['for another host name', () => authority!.sign('elsewhere.example'), /^certificate verify failed: .*another name/]
] as const)('a broker with a certificate %s is one line with the reason and away within 15 s; nothing is lost, and all goes on once it is renewed', async ([, wrong, reason]) => {
  const kafka = await startTlsFront(brokers, wrong())
  const settings = { KAFKA_SECURITY_PROTOCOL: 'ssl', KAFKA_SSL_CA_LOCATION: authority!.ca }
  const [users, profiles] = [await openDatabase(), await openDatabase()]
  const [user, profile] = await Promise.all([start('user', users.url, kafka.address, settings), start('profile', profiles.url, kafka.address, settings)])
  await expectAway(user, profile)
  expect(await checks(profile, 'consuming')).toMatchObject({ status: 503 })
  const { body } = await registered(user)

  const before = [user, profile].map(service => [...reasonsOf(service)])
  kafka.renew(authority!.sign(host))
  await profileOf(profile, body.user.id)
  for (const service of [user, profile]) {
    await eventually(async () => expect(await checks(service)).toEqual(up), within15s)
    await expectNoSecret(service, 'BEGIN CERTIFICATE')
  }
  for (const lines of before) expect(lines).toEqual([expect.objectContaining({ msg: 'kafka: no broker can be reached', broker: kafka.address, reason: expect.stringMatching(reason) })])
})

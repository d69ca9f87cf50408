import { decoder } from '@pair/events'
import { allTopics } from '@pair/music-shared-topics'
import { expect, test } from 'vitest'

test.each(allTopics.map(topic => [topic.name, topic] as const))('the example of %s is accepted by the decoder of its readers', (_name, topic) => {
  expect(topic.example).toBeDefined()
  expect(decoder(topic)(Buffer.from(JSON.stringify(topic.example)))).toEqual({ ok: true, event: topic.example })
})

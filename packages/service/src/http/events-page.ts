import type { AsyncApi, EventMessage } from './asyncapi.js'
import { escapeHtml as text, htmlPage } from './html.js'

interface Schema { description?: string, required?: string[], properties?: Record<string, Schema>, items?: Schema }

/** An AsyncAPI document as a page. Without scripts: published renderers, with what they install, weigh more than both services. */
export function eventsPage (document: AsyncApi): string {
  const { title, description } = document.info
  return htmlPage(`${title}: events`, `<h1>${text(title)}</h1>
<p>${text(description)} See also the <a href="/docs">HTTP API</a> and this page as <a href="/docs/events.json">AsyncAPI ${document.asyncapi}</a>.</p>
${Object.entries(document.operations).map(operation).join('\n') || '<p>The service neither sends nor receives events.</p>'}`)

  function operation ([id, { title, description, channel, reply }]: [string, AsyncApi['operations'][string]]): string {
    const section = `<h2 id="${text(id)}">${text(title)}</h2>\n<p>${text(description)}</p>\n${topic(channelAt(channel))}`
    const replies = reply && channelAt(reply.channel)
    return replies === undefined ? section : `${section}\n<h3>answered on ${text(replies.address)}</h3>\n${topic(replies)}`
  }

  function channelAt ({ $ref }: { $ref: string }) {
    return document.channels[$ref.slice('#/channels/'.length)]
  }
}

function topic (channel: AsyncApi['channels'][string] | undefined): string {
  if (channel === undefined) return ''
  const { partitions, topicConfiguration } = channel.bindings.kafka
  const { 'retention.ms': retentionMs, 'max.message.bytes': largest, ...rest } = topicConfiguration
  const settings = [
    `${partitions} partitions`,
    ...Number.isNaN(retentionMs) ? [] : [retentionMs < 0 ? 'kept without a limit of time' : `kept for ${duration(retentionMs)}`],
    ...Number.isNaN(largest) ? [] : [`at most ${largest.toLocaleString('en')} bytes a message`],
    ...Object.entries(rest).map(([name, value]) => `${name}=${value}`)
  ]
  return `<p>${text(channel.description)}</p>
<p><small>${text(settings.join(', '))}</small></p>
${Object.values(channel.messages).map(message).join('\n')}`
}

function message ({ name, contentType, headers, payload, examples = [] }: EventMessage): string {
  return [
    `<p><code>${text(name)}</code> as ${text(contentType)}</p>`,
    ...headers === undefined ? [] : ['<p>Headers:</p>', members(headers)],
    ...payload === undefined ? [] : [members(payload)],
    ...examples.map(({ payload }) => `<p>Example:</p>\n<pre tabindex="0">${text(JSON.stringify(payload, null, 2))}</pre>`)
  ].join('\n')
}

function members (schema: Schema): string {
  return `<dl>\n${rows('', schema).join('\n')}\n</dl>`
}

function rows (path: string, { properties = {}, required = [], items }: Schema): string[] {
  if (items !== undefined) return rows(`${path.replace(/\.$/, '')}[].`, items)
  return Object.entries(properties).flatMap(([name, member]) => {
    const { description = '', required: _, properties: __, items: ___, ...rules } = member
    return [
      `<dt><code>${text(path + name)}</code>${required.includes(name) ? '' : ' <small>optional</small>'}<dd>${text(description)} <small>${text(terms(rules))}</small>`,
      ...rows(`${path}${name}.`, member)
    ]
  })
}

function terms (rules: object): string {
  return Object.entries(rules).map(([name, rule]) => `${name}: ${typeof rule === 'object' ? JSON.stringify(rule) : String(rule)}`).join(', ')
}

const units = [['day', 86_400_000], ['hour', 3_600_000], ['minute', 60_000], ['second', 1000]] as const

function duration (ms: number): string {
  const [unit, length] = units.find(([, length]) => ms > 0 && ms % length === 0) ?? ['ms', 1]
  const count = ms / length
  return unit === 'ms' ? `${count} ms` : `${count} ${unit}${count === 1 ? '' : 's'}`
}

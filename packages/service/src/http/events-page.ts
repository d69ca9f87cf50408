import type { AsyncApi, EventMessage } from './asyncapi.js'

interface Schema { type?: string, description?: string, required?: string[], properties?: Record<string, Schema> }

/** An AsyncAPI document as a page. Without scripts: published renderers, with what they install, weigh more than both services. */
export function eventsPage (document: AsyncApi): string {
  const { title, description } = document.info
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${text(title)}: events</title>
<link rel="icon" href="data:,">
<style>
  body { font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
  table { border-collapse: collapse } td, th { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid #ddd }
  pre { overflow: auto; padding: 1rem; background: #f6f6f6 }
</style>
<h1>${text(title)}</h1>
<p>${text(description)} As <a href="/docs/events.json">AsyncAPI ${document.asyncapi}</a>; its calls are at <a href="/docs">/docs</a>.</p>
${Object.entries(document.operations).map(operation).join('\n')}
</html>
`
  function operation ([id, { title, channel, reply }]: [string, AsyncApi['operations'][string]]): string {
    const heading = `<h2 id="${text(id)}">${text(title)}</h2>\n${section(channelAt(channel))}`
    const replies = reply && channelAt(reply.channel)
    return replies === undefined ? heading : `${heading}\n<h3>answered on ${text(replies.address)}</h3>\n${section(replies)}`
  }

  function channelAt ({ $ref }: { $ref: string }) {
    return document.channels[$ref.slice('#/channels/'.length)]
  }
}

function section (channel: AsyncApi['channels'][string] | undefined): string {
  if (channel === undefined) return ''
  const { partitions, topicConfiguration } = channel.bindings.kafka
  return `<p>${text(channel.description)}</p>
<p>${partitions} partitions, ${rules(topicConfiguration)}</p>
${Object.values(channel.messages).map(message).join('\n')}`
}

function message ({ contentType, headers, payload, examples = [] }: EventMessage): string {
  return [
    `<p>${text(contentType)}</p>`,
    ...headers === undefined ? [] : [members('header', headers)],
    ...payload === undefined ? [] : [members('member', payload)],
    ...examples.map(({ payload }) => `<pre>${text(JSON.stringify(payload, null, 2))}</pre>`)
  ].join('\n')
}

function members (kind: string, schema: Schema): string {
  return `<table><tr><th>${kind}<th>required<th>rules</tr>\n${rows('', schema).join('\n')}\n</table>`
}

function rows (path: string, { properties = {}, required = [] }: Schema): string[] {
  return Object.entries(properties).flatMap(([name, { properties, required: inner, ...own }]) => [
    `<tr><td><code>${text(path + name)}</code><td>${required.includes(name) ? 'yes' : ''}<td>${rules(own)}</tr>`,
    ...rows(`${path}${name}.`, { properties: properties ?? {}, required: inner ?? [] })
  ])
}

function rules (rules: object): string {
  return text(Object.entries(rules).map(([name, rule]) => `${name}: ${String(rule)}`).join(', '))
}

function text (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

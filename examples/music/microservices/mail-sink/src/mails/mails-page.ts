import type { FastifyPluginAsync } from 'fastify'
import type { Address, Mailbox } from './mailbox.js'

const shownMails = 200
const headers = { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'", 'x-content-type-options': 'nosniff' }
const style = 'body { font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem } pre { white-space: pre-wrap } :root { color-scheme: light dark }'

/** GET /: the newest mails with their text. */
export const mailsPage: FastifyPluginAsync<{ mailbox: Mailbox }> = async (app, { mailbox }) => {
  app.get('/', { logLevel: 'warn', schema: { hide: true } }, async (_request, reply) => {
    reply.headers(headers)
    const mails = mailbox.newest(shownMails).map(({ messageId, from, to, subject, text, created }) => `<details><summary>${escape(subject)} · ${escape(to.map(shown).join(', '))}</summary>
<p>From ${escape(shown(from))} · ${created.toISOString()} · Message-ID ${escape(messageId)}
<pre>${escape(text)}</pre></details>`)
    return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Mails</title><style>${style}</style>
<h1>${mailbox.count} mails</h1>
${mails.join('\n') || '<p>No mail has arrived yet.'}
</html>
`
  })
}

const shown = ({ name, address }: Address) => name === '' ? address : `${name} <${address}>`
const escape = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

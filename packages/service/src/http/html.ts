import { createHash } from 'node:crypto'

/** One style sheet for the pages of a service: a narrow column, the colours of the browser's light or dark scheme, and no line that widens the page. */
const style = `
  :root { color-scheme: light dark }
  body { font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere }
  dl { display: grid; grid-template-columns: minmax(10rem, max-content) 1fr; gap: 0 1.5rem; margin: 1rem 0 }
  dt, dd { margin: 0; padding: .4rem 0; border-top: 1px solid #8886 }
  dd p { margin: 0 }
  small { color: color-mix(in srgb, currentcolor 75%, transparent) }
  pre { overflow: auto; overflow-wrap: normal; padding: 1rem; background: #8882 }
  @media (max-width: 40rem) { dl { grid-template-columns: 1fr } dd { border-top: 0; padding-top: 0 } }
`

/** For a page of `htmlPage`: nothing but its style sheet may be loaded or run. */
export const htmlHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'x-content-type-options': 'nosniff'
}

/** A whole page. The title is text, the body is HTML. */
export function htmlPage (title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
${body}
</html>
`
}

/** Escapes text for the content of an element and for an attribute in double quotes. */
export function escapeHtml (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

import type { FastifySwaggerUiOptions } from '@fastify/swagger-ui'
import { escapeHtml } from './html.js'
import { renewExamples } from './openapi.js'

/** The page of /docs: Swagger UI with the title of the service, usable on a phone, and with examples that can be sent more than once. */
export function swaggerUiOptions ({ title, canSend }: { title: string, canSend: boolean }): FastifySwaggerUiOptions {
  return {
    routePrefix: '/docs',
    logLevel: 'warn',
    theme: {
      title: escapeHtml(`${title}: HTTP API`),
      css: [{ filename: 'page.css', content: pageCss }],
      js: [{ filename: 'viewport.js', content: viewportJs }]
    },
    uiConfig: { plugins: [pluginsOfPage, newExampleAfterSuccess], ...(!canSend && { supportedSubmitMethods: [] }) },
    transformSpecification: renewExamples
  }
}

/** Hides the field for another document's address, which the content security policy refuses, and the column of links, which no route has. */
const pageCss = `
.swagger-ui .topbar .download-url-wrapper, .swagger-ui .response-col_links { display: none }
@media (max-width: 40rem) {
  .swagger-ui .topbar .topbar-wrapper { flex-direction: row; justify-content: space-between }
  .swagger-ui .wrapper { padding: 0 10px }
  .swagger-ui .info { margin: 20px 0 }
  .swagger-ui .opblock-body .opblock-description-wrapper, .swagger-ui .responses-inner, .swagger-ui .table-container { padding: 10px }
  .swagger-ui .responses-table .response-col_status { min-width: 3.5rem }
}
`

const viewportJs = "document.head.append(Object.assign(document.createElement('meta'), { name: 'viewport', content: 'width=device-width' }))"

/** What a plugin uses of Swagger UI. */
interface SwaggerSystem {
  specSelectors: { url (): string, specResolvedSubtree (path: string[]): { setIn (path: string[], value: unknown): unknown } }
  specActions: { updateResolvedSubtree (path: string[], value: unknown): void }
  oas3Selectors: { requestBodyValue (...operation: string[]): unknown, selectDefaultRequestBodyValue (...operation: string[]): unknown, requestContentType (...operation: string[]): string }
  oas3Actions: { setRequestBodyValue (body: { value: unknown, pathMethod: string[] }): void }
}
type SetResponse = (path: string, method: string, response: { ok?: boolean }) => void
type OpenApi = { paths: Record<string, Record<string, { requestBody: { content: Record<string, { example?: unknown }> } }>> }

declare const SwaggerUIBundle: { plugins: { DownloadUrl: (system: SwaggerSystem) => object } }

// The page contains the source of these two functions, which run in the browser and can use nothing else of this file.

/** Keeps the only plugin that the page has by default, which the option `plugins` would replace. */
const pluginsOfPage = (system: SwaggerSystem) => SwaggerUIBundle.plugins.DownloadUrl(system)

/** After a request with the example as its body has succeeded, fetches a new example. A body that the user has typed stays. */
const newExampleAfterSuccess = ({ specSelectors, specActions, oas3Selectors, oas3Actions }: SwaggerSystem) => ({
  statePlugins: {
    spec: {
      wrapActions: {
        setResponse: (setResponse: SetResponse): SetResponse => async (path, method, response) => {
          setResponse(path, method, response)
          const sent = oas3Selectors.requestBodyValue(path, method)
          if (response.ok !== true || sent === undefined || sent !== oas3Selectors.selectDefaultRequestBodyValue(path, method)) return
          const { paths } = await (await fetch(specSelectors.url())).json() as OpenApi
          const mediaType = oas3Selectors.requestContentType(path, method)
          const example = paths[path]?.[method]?.requestBody.content[mediaType]?.example
          if (example === undefined) return
          const operation = ['paths', path, method]
          specActions.updateResolvedSubtree(operation, specSelectors.specResolvedSubtree(operation).setIn(['requestBody', 'content', mediaType, 'example'], example))
          oas3Actions.setRequestBodyValue({ value: undefined, pathMethod: [path, method] })
        }
      }
    }
  }
})

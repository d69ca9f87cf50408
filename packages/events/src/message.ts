/** Headers of a message, as Kafka clients hand them out. */
export type MessageHeaders = ReadonlyArray<Readonly<Record<string, Uint8Array>>>

/** A message that holds no event which could be read. Its text quotes nothing that was sent. */
export class NotDecodable extends Error {}

const utf8 = new TextDecoder('utf-8', { fatal: true })
/** Of most messages: no need to look closer. */
const ours = 'application/cloudevents+json'
const structured = /^\s*application\/cloudevents([^;\s]*)/i
const json = /^[^;]*[/+]json\s*(?:;|$)/i

/**
 * Reads the event of a message, not yet validated, in one of two modes:
 *
 * - structured JSON: the value is the whole event, its data in `data` or `data_base64`
 * - binary: the value is `data`, headers `ce_…` are the attributes, `content-type` is `datacontenttype`
 *
 * Data are JSON in either. Without a content type that says otherwise, or `ce_specversion`, a message is structured.
 *
 * @throws NotDecodable
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
 */
export function readMessage (value: Buffer | null, headers: MessageHeaders): unknown {
  if (value === null || value.length === 0) throw new NotDecodable('the value is empty')
  const contentType = contentTypeOf(headers)
  if (contentType !== ours) {
    const format = structured.exec(contentType ?? '')?.[1]?.toLowerCase()
    if (format?.startsWith('-batch')) throw new NotDecodable('the value is a batch of events, and not one')
    if (format !== undefined && format !== '' && format !== '+json') throw new NotDecodable('the value is an event in another format than JSON')
    if (format === undefined && headers.some(header => 'ce_specversion' in header)) return binaryEvent(value, headers, contentType)
  }
  return structuredEvent(parseJson(value, 'the value'))
}

function binaryEvent (value: Buffer, headers: MessageHeaders, contentType: string | undefined): unknown {
  const attributes = headers.flatMap(header => Object.entries(header)).filter(([name]) => name.startsWith('ce_'))
  return {
    ...Object.fromEntries(attributes.map(([name, bytes]) => [name.slice('ce_'.length), asText(bytes, 'an attribute among the headers')])),
    ...(contentType === undefined ? {} : { datacontenttype: contentType }),
    data: parseData(value, contentType)
  }
}

/** Null is an attribute that is not set (JSON format, 2.2); in `data` it is a value. */
function structuredEvent (event: unknown): unknown {
  if (typeof event !== 'object' || event === null) return event
  const members = event as Record<string, unknown>
  for (const name in members) if (members[name] === null && name !== 'data') delete members[name]
  if (members['data_base64'] === undefined) return members
  const { data_base64: encoded, ...rest } = members
  if ((rest['data'] ?? null) !== null) throw new NotDecodable('the event has both data and data_base64')
  return { ...rest, data: parseData(fromBase64(encoded), rest['datacontenttype']) }
}

function fromBase64 (encoded: unknown): Buffer {
  const bytes = Buffer.from(typeof encoded === 'string' ? encoded : '', 'base64') // which leaves out what is none
  if (bytes.toString('base64') !== encoded) throw new NotDecodable('data_base64 is not Base64')
  return bytes
}

function parseData (bytes: Buffer, contentType: unknown): unknown {
  if (typeof contentType === 'string' && !json.test(contentType)) throw new NotDecodable('the data are not JSON, says their content type')
  return parseJson(bytes, 'the data')
}

function parseJson (bytes: Buffer, what: string): unknown {
  const text = asText(bytes, what)
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own words quote the text.
    throw new NotDecodable(`${what} is not JSON`)
  }
}

function asText (bytes: Uint8Array, what: string): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new NotDecodable(`${what} is not UTF-8`)
  }
}

/** The last one counts, as with Kafka's `lastHeader`. */
function contentTypeOf (headers: MessageHeaders): string | undefined {
  const bytes = headers.findLast(header => 'content-type' in header)?.['content-type']
  return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
}

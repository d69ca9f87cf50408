/** Headers of a message, in the format of Kafka clients. */
export type MessageHeaders = ReadonlyArray<Readonly<Record<string, Uint8Array>>>

/** Thrown for a message that does not contain a readable event. The error text quotes nothing of the message. */
export class NotDecodable extends Error {}

const utf8 = new TextDecoder('utf-8', { fatal: true })
/** The content type of most messages, which is compared first. */
const structuredJson = 'application/cloudevents+json'
const structured = /^\s*application\/cloudevents([^;\s]*)/i
const json = /^[^;]*[/+]json\s*(?:;|$)/i

/**
 * Reads the event of a message, not yet validated, in one of two modes:
 *
 * - structured JSON: the value is the whole event, its data in `data` or `data_base64`
 * - binary: the value is `data`, headers `ce_…` are the attributes, `content-type` is `datacontenttype`
 *
 * In both modes the data is JSON. A message counts as structured, unless its content type says otherwise or it has the header
 * `ce_specversion`.
 *
 * @throws NotDecodable
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
 */
export function readMessage (value: Buffer | null, headers: MessageHeaders): unknown {
  if (value === null || value.length === 0) throw new NotDecodable('the value is empty')
  const contentType = contentTypeOf(headers)
  if (contentType !== structuredJson) {
    const format = structured.exec(contentType ?? '')?.[1]?.toLowerCase()
    if (format?.startsWith('-batch')) throw new NotDecodable('the value is a batch of events, not a single event')
    if (format !== undefined && format !== '' && format !== '+json') throw new NotDecodable('the value is an event in a format other than JSON')
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

/** Removes attributes with the value null, which means unset (CloudEvents JSON format, 2.2); `data` may be null. */
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
  const bytes = Buffer.from(typeof encoded === 'string' ? encoded : '', 'base64') // ignores invalid characters, hence the comparison
  if (bytes.toString('base64') !== encoded) throw new NotDecodable('data_base64 is not Base64')
  return bytes
}

function parseData (bytes: Buffer, contentType: unknown): unknown {
  if (typeof contentType === 'string' && !json.test(contentType)) throw new NotDecodable('the content type of the data is not JSON')
  return parseJson(bytes, 'the data')
}

function parseJson (bytes: Buffer, what: string): unknown {
  const text = asText(bytes, what)
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message would quote the text.
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

/** The last header of this name counts, as in Kafka's `lastHeader`. */
function contentTypeOf (headers: MessageHeaders): string | undefined {
  const bytes = headers.findLast(header => 'content-type' in header)?.['content-type']
  return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
}

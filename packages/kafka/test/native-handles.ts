import rdkafka from 'node-rdkafka'
import { inject, onTestFinished } from 'vitest'
import { connectAttachable } from '../dist/handle.js'
import { addon, attachable, NativeHandle } from '../dist/native.js'
import type { Batch, ReadError, ReadMessage } from '../dist/native-batch.js'
import { PackedRecords } from '../dist/packed-records.js'
import { encodeHeaders, type EncodedHeaders } from '../dist/record.js'
import { newName } from '../../../test/fixtures/records.js'

// Handles that node-rdkafka opens and the addon is attached to, without the client around them.

export interface Acknowledgement { id: number, code: number, partition: number, offset: number }

const whereBroker = () => ({ 'metadata.broker.list': inject('kafkaBrokers') })

/** Attaches to a handle, and ends both with the test. */
async function attach<Handle extends rdkafka.Producer | rdkafka.KafkaConsumer> (global: object, newHandle: (global: object) => Handle, onWake: (native: NativeHandle) => void) {
  const { name, properties } = attachable({ ...whereBroker(), ...global })
  const handle = newHandle(properties)
  await connectAttachable(handle, { ...global }, newHandle)
  const native: NativeHandle = new NativeHandle(name, handle, () => onWake(native))
  const end = async () => {
    native.detach()
    if (handle.isConnected()) await new Promise<void>(resolve => { handle.disconnect(() => resolve()) })
  }
  onTestFinished(end)
  return { handle, native, end }
}

/** A producer whose acknowledgements are gathered. */
export async function newSender (global: object = {}, topicSettings: object = {}) {
  const acknowledged: Acknowledgement[] = []
  const takeAcknowledged = () => {
    const found = sender.native.acknowledgements()
    for (let at = 0; at < found.length; at += 4) acknowledged.push({ id: found[at]!, code: found[at + 1]!, partition: found[at + 2]!, offset: found[at + 3]! })
    waiting.splice(0).forEach(look => look())
  }
  const waiting: Array<() => void> = []
  const sender = await attach({ 'delivery.report.only.error': true, ...global }, properties => new rdkafka.Producer(properties, topicSettings), takeAcknowledged)
  /** Resolves when this many acknowledgements have arrived. */
  const acks = async (count: number) => {
    while (acknowledged.length < count) await new Promise<void>(resolve => waiting.push(resolve))
    return acknowledged
  }
  return { ...sender, acknowledged, acks, takeAcknowledged }
}

export interface Sent { topic: string, key?: string | Buffer | null, value?: unknown, partition?: number, headers?: Array<Record<string, string>> | EncodedHeaders }

/** Records for one call; the id of each is its index. */
export function pack (native: NativeHandle, sent: Sent[]): PackedRecords {
  const records = new PackedRecords()
  sent.forEach(({ headers, ...record }, id) => records.add(native.topic(record.topic), id, record, Array.isArray(headers) ? encodeHeaders(headers) : headers))
  return records
}

/** Headers that `encodeHeaders` would refuse. */
export function rawHeaders (entries: Array<[name: Buffer, value: Buffer | null]>): EncodedHeaders {
  return {
    lengths: entries.flatMap(([name, value]) => [name.length, value?.length ?? -1]),
    bytes: Buffer.concat(entries.flatMap(([name, value]) => value === null ? [name] : [name, value]))
  }
}

/** A consumer that reads as the addon requires: once, at each wake-up, and again until the queue is empty; not at all with `isReading: false`. */
export async function newReader (global: object = {}, { count = 1000, bytes = 4_000_000, isReading = true } = {}) {
  const batches: Batch[] = []
  const messages: ReadMessage[] = []
  const errors: ReadError[] = []
  const waiting: Array<() => void> = []
  let wakes = 0
  const read = (native: NativeHandle) => {
    if (!native.isAttached) return
    const batch = native.read(count, bytes)
    batches.push(batch)
    messages.push(...batch.messages)
    errors.push(...batch.errors)
    if (!batch.isEmptied) setImmediate(read, native)
    waiting.splice(0).forEach(look => look())
  }
  const reader = await attach({ 'group.id': newName('native'), 'fetch.wait.max.ms': 10, ...global }, properties => new rdkafka.KafkaConsumer(properties, { 'auto.offset.reset': 'earliest' }), native => {
    wakes++
    if (isReading) read(native)
    else waiting.splice(0).forEach(look => look())
  })
  if (isReading) read(reader.native)
  const until = async (isSo: () => boolean) => { while (!isSo()) await new Promise<void>(resolve => waiting.push(resolve)) }
  return { ...reader, batches, messages, errors, until, wakes: () => wakes }
}

/** The addon's functions, without type checks. */
export const functions = addon as unknown as () => Record<string, (...values: unknown[]) => unknown>

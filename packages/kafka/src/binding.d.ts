// node-rdkafka declares no types for this module, which creates an error from a code, with librdkafka's text.
declare module 'node-rdkafka/lib/error.js' {
  const LibrdKafkaError: { create (code: number): { message: string } }
  export default LibrdKafkaError
}

// Not declared by the binding: how it makes an error of a code, with librdkafka's text for it.
declare module 'node-rdkafka/lib/error.js' {
  const LibrdKafkaError: { create (code: number): { message: string } }
  export default LibrdKafkaError
}

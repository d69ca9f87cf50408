/**
 * Settings of a service on the embedded broker (librdkafka's mock cluster). A real Kafka needs neither: it answers a
 * waiting fetch when there is a message, and refuses so short a session.
 */
export const EMBEDDED_BROKER_SETTINGS = {
  // The shortest that works: a member that rejoins waits for as long, less a second.
  KAFKA_SESSION_TIMEOUT_MS: '3000',
  // The mock answers a fetch that has found nothing only after this time, so it is the latency of a message.
  KAFKA_FETCH_WAIT_MAX_MS: '10'
}

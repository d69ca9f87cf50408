/**
 * Settings of a service on the embedded broker (librdkafka's mock cluster). A real Kafka needs neither: it answers a waiting
 * fetch as soon as a message arrives, and by default refuses a session timeout this short.
 */
export const EMBEDDED_BROKER_SETTINGS = {
  // The shortest that works. A member that rejoins waits for this time less a second.
  KAFKA_SESSION_TIMEOUT_MS: '3000',
  // The mock answers an empty fetch only after this time, so it adds to the latency of each message.
  KAFKA_FETCH_WAIT_MAX_MS: '10'
}

/** Histogram buckets in seconds, recommended by OpenTelemetry's conventions for requests and messages. */
export const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

/** Histogram buckets in seconds for delays that may include an outage of a broker or a service. */
export const delayBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600, 86_400]

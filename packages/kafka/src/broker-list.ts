const address = /^(?:\[[0-9a-fA-F:]+\]|[^\s,:/[\]]+):(\d{1,5})$/

/** Whether the text is `host:port,host:port`, as librdkafka accepts it: spaces around addresses are allowed. */
export function isBrokerList (text: string): boolean {
  return text.split(',').every(broker => {
    const port = Number(address.exec(broker.trim())?.[1])
    return port >= 1 && port <= 65_535
  })
}

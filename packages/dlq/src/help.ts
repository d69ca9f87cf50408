import { exitCodes } from './errors.js'

export const help = `Dead letters: messages that could not be processed.

  npm run dlq -- list                     the dead letters of all topics, one line each
  npm run dlq -- show <letter> …          all about these, with their headers and bytes
  npm run dlq -- replay <letter> …        sends these to their topic once more, whatever their state
  npm run dlq -- replay --all             sends all that are new: neither replayed nor discarded
  npm run dlq -- discard <letter> … --why <text>
  npm run dlq -- discard --all --why <text>
                                          remembers that these need no replay, and deletes nothing

  <letter>              <topic>:<partition>:<offset>; with --topic, <partition>:<offset>
  --topic <topic>       the topic that the messages came from, not its dead-letter topic
  --all-topics          for replay --all and discard --all, where several topics have dead letters
  --all                 show, replay, discard: all that match what follows

  --reason <reason>     not-decodable, not-valid, refused, failed or crashed
  --group <group>       the consumer group that could not process the message
  --key <key>           the message's key, as a whole; 0x00ff for bytes
  --error <text>        part of the error's text, in upper or lower case
  --since <time>        dead letters written from then on: an age (90s, 15m, 2h, 7d), a date,
  --until <time>        or before then                     or a time such as 2026-11-21T13:30Z
  --state <state>       new, replayed, discarded or foreign (replay --all, discard --all: new)
                        --reason, --group, --key, --error and --state may be given several
                        times: one must match. All options must.

  --why <text>          discard: the reason, which list and show print
  --by <name>           discard: who has decided it (the user of the operating system)
  --dry-run             replay, discard: says what would be done, and does nothing
  --json                one JSON object a line; with "npm run --silent dlq -- …" nothing else is on standard output
  --help                this text

The broker is the one in KAFKA_BROKERS (host:port,host:port), with TLS, SASL and KAFKA_PREFIX as for the services (docs/configuration.md).

Exit codes: ${exitCodes.done} done; ${exitCodes.failed} a letter was not there, or could not be replayed or discarded; ${exitCodes.usage} wrong arguments or settings;
${exitCodes.kafka} the broker does not answer or refuses, or the topic is not there.`

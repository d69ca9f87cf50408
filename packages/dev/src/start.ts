import { launch } from './launch.js'

// npm start [system]: runs a system on one machine (default: the pair).

await launch(process.argv[2])

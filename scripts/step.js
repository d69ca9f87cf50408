/**
 * Runs a part of the set-up, and says so in a line on standard error. On a terminal the line shows how long it has taken, and how
 * much is done.
 *
 * @template Result
 * @param {string} text
 * @param {(show: (share: number) => void) => Promise<Result>} work it may show which share is done, from 0 to 1
 * @returns {Promise<Result>}
 */
export async function step (text, work) {
  if (!process.stderr.isTTY) {
    console.error(text)
    return await work(() => {})
  }
  const started = performance.now()
  let percent = ''
  const write = () => process.stderr.write(`\r${text} ${percent}${Math.round((performance.now() - started) / 1000)} s`)
  write()
  const timer = setInterval(write, 1000)
  try {
    return await work(share => { percent = `${Math.floor(share * 100)} %, ` })
  } finally {
    clearInterval(timer)
    write()
    process.stderr.write('\n')
  }
}

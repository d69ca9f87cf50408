interface Part { readonly ended: Promise<number | string>, close (): Promise<void> }

/**
 * Runs one part until a signal stops it (exit code 0) or it exits unexpectedly (exit code 1).
 *
 * @param lines returns the text to print when it is ready
 */
export async function runStandalone<Kind extends Part> (name: string, start: () => Promise<Kind>, lines: (part: Kind) => string): Promise<void> {
  const signalled = new Promise<undefined>(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(undefined))
  })
  try {
    const part = await start()
    console.log(lines(part))
    const code = await Promise.race([signalled, part.ended])
    if (code !== undefined) throw new Error(`${name} exited unexpectedly (${typeof code === 'number' ? `exit code ${code}` : code})`)
    await part.close()
    process.exit(0)
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    process.exit(1)
  }
}

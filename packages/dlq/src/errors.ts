/** What a script can tell apart; the help and docs/dead-letters.md name them. */
export const exitCodes = { done: 0, failed: 1, usage: 2, kafka: 3 } as const

/** Something that the operator can put right: shown as one line, without a stack. */
export class OperatorError extends Error {
  readonly exitCode: number

  constructor (message: string, exitCode: number, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}

/** Wrong arguments. */
export function usageError (message: string): OperatorError {
  return new OperatorError(`${message} (see --help)`, exitCodes.usage)
}

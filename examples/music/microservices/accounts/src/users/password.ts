import { randomBytes, scrypt as scryptWithCallback, type ScryptOptions } from 'node:crypto'
import { promisify } from 'node:util'

const scrypt = promisify<string, Buffer, number, ScryptOptions, Buffer>(scryptWithCallback)

/** 16 MiB and about 0.1 s for each guess: the parameters that OWASP's password storage cheat sheet gives for this much memory. */
const cost = { N: 2 ** 14, r: 8, p: 5 }
const saltBytes = 16
const keyBytes = 32

/** Hashes a password with a salt of its own. The parameters are part of the hash, so that they can be raised later. */
export async function hashPassword (password: string): Promise<string> {
  const salt = randomBytes(saltBytes)
  const key = await scrypt(password.normalize('NFKC'), salt, keyBytes, cost)
  return ['scrypt', cost.N, cost.r, cost.p, salt.toString('base64'), key.toString('base64')].join('$')
}

/** order_placed, order-placed → orderPlaced */
export const camelCase = (name: string): string => name.replace(/[-_](\w)/g, (_all, letter: string) => letter.toUpperCase())

/** order_placed → OrderPlaced */
export const pascalCase = (name: string): string => camelCase(name).replace(/^\w/, letter => letter.toUpperCase())

/** order_placed → order-placed */
export const kebabCase = (name: string): string => name.replaceAll('_', '-')

/** The relative path from a folder up to the repository: microservices/mailer → ../.. */
export const upFrom = (folder: string): string => folder.split('/').map(() => '..').join('/')

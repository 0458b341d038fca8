import { compileFunction } from 'node:vm';

/**
 * Turns printed source into a function. `body` returns it and reaches `library` as `$`. The name shows up in stack traces
 * and CPU profiles as `kafka:<name>`.
 *
 * Only our own schema constants get into the source, never anything from the wire.
 */
export function compileSource<Compiled>(name: string, body: string, library: object): Compiled {
  const factory = compileFunction(`'use strict';\n${body}`, ['$'], { filename: `kafka:${name}` });
  return Reflect.apply(factory, undefined, [library]);
}

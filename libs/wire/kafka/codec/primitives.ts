/**
 * Node's own string readers and writers, which `toString` and `write` end up calling. They have been on every Buffer since
 * Node 0.x and skip the argument checks (47 ns against 66 ns a string), but @types/node does not list them.
 */
declare global {
  interface Buffer {
    utf8Slice(start: number, end: number): string;
    base64urlSlice(start: number, end: number): string;
    /** Returns the number of bytes written; the caller makes sure that there is room. */
    utf8Write(text: string, offset: number): number;
    /** Returns the number of bytes written. */
    base64urlWrite(text: string, offset: number, length: number): number;
  }
}

export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA';
export const UUID_BYTES = 16;
export const UUID_CHARACTERS = 22;
export const EMPTY_BUFFER = Buffer.alloc(0);

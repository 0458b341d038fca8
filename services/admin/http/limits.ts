/** The largest body that a request may have; nothing here takes a large one. */
export const BODY_BYTES_MAX = 64 * 1024;

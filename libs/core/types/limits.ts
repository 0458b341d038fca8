/**
 * The largest record batch that can be taken, in bytes, header included. It has to fit into one group of the storage
 * journal, which is sized by it; so no `max.message.bytes` may promise more.
 */
export const RECORD_BATCH_BYTES_MAX = 8 * 1024 * 1024;

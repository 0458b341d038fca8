import { PIECE_WORDS, REQUEST_WORDS, STAGING_MEMORY, WRITE_WORDS } from './write-request';

/** Words of the control area. */
export const REQUEST = 0;
export const STOP = 1;
/** Messages that were sent: memories that the thread is to know, or to forget. */
export const MESSAGES = 2;
export const CONTROL_WORDS = 3;

/** writev takes at most this many pieces (IOV_MAX on Linux, macOS and the BSDs). */
const PIECES_AT_A_TIME = 1024;

/**
 * The thread's whole program. A string, so that it needs no file of its own when the program is bundled into one.
 * It sleeps until the request number changes, does the request's writes one after the other (going on after short writes), and answers with
 * undefined, or with the fields of an error for each write that failed. Memory that it is to forget stays until it collects it: it makes no
 * garbage worth a collection by itself.
 */
export const WRITE_THREAD_PROGRAM = `'use strict';
const { parentPort, receiveMessageOnPort, workerData } = require('node:worker_threads');
const fs = require('node:fs');
const control = new Int32Array(workerData.control);
const words = new Float64Array(workerData.words);
const memories = new Map([[${STAGING_MEMORY}, new Uint8Array(workerData.staging)]]);
let received = 0;
let collect;
function collectNow() {
  if (collect === undefined) {
    require('node:v8').setFlagsFromString('--expose-gc');
    collect = require('node:vm').runInNewContext('gc');
  }
  collect();
}
function receive() {
  let forgot = false;
  for (const sent = Atomics.load(control, ${MESSAGES}); received !== sent; received += 1) {
    const { number, memory } = receiveMessageOnPort(parentPort).message;
    if (memory !== undefined) memories.set(number, new Uint8Array(memory));
    else forgot = memories.delete(number) || forgot;
  }
  if (forgot) collectNow();
}
function writeAll(descriptor, pieces, position) {
  for (let at = position, from = 0; from < pieces.length; ) {
    const some = pieces.length <= ${PIECES_AT_A_TIME} && from === 0 ? pieces : pieces.slice(from, from + ${PIECES_AT_A_TIME});
    let written = fs.writevSync(descriptor, some, at);
    if (written === 0) throw Object.assign(new Error('EIO: the write made no progress'), { code: 'EIO', syscall: 'write' });
    at += written;
    while (from < pieces.length && written >= pieces[from].length) written -= pieces[from++].length;
    if (written > 0) pieces[from] = pieces[from].subarray(written);
  }
}
function perform() {
  let failures;
  let at = ${REQUEST_WORDS};
  for (let write = 0; write < words[0]; write += 1) {
    const descriptor = words[at];
    const position = words[at + 1];
    const needsSync = words[at + 2];
    const count = words[at + 3];
    at += ${WRITE_WORDS};
    const pieces = [];
    for (let piece = 0; piece < count; piece += 1, at += ${PIECE_WORDS})
      pieces.push(memories.get(words[at]).subarray(words[at + 1], words[at + 1] + words[at + 2]));
    try {
      writeAll(descriptor, pieces, position);
      if (needsSync !== 0) fs.fdatasyncSync(descriptor);
    } catch (error) {
      failures = failures || [];
      failures[write] = { message: error.message, code: error.code, errno: error.errno, syscall: error.syscall };
    }
  }
  return failures;
}
for (let seen = 0; ; ) {
  Atomics.wait(control, ${REQUEST}, seen);
  seen = Atomics.load(control, ${REQUEST});
  if (Atomics.load(control, ${STOP}) !== 0) break;
  receive();
  parentPort.postMessage(perform());
}
`;

/** What became of a request: undefined, or the failures by the number of the write in it. */
export type ThreadAnswer = readonly (ThreadFailure | undefined)[] | undefined;

export interface ThreadFailure {
  readonly message: string;
  readonly code?: string;
  readonly errno?: number;
  readonly syscall?: string;
}

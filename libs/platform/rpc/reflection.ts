import type * as grpc from '@grpc/grpc-js';
import { toStatus } from './status';

/** Both versions have the same messages. */
const PATHS = ['v1', 'v1alpha'].map((version) => `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`);

const asTheyCome = (bytes: Buffer): Buffer => bytes;

/**
 * Lets generic tools (grpcurl, Postman) list and call every service without the .proto files. What the answers take is loaded at the
 * first question: 20 MB and 200 ms that hardly any node needs.
 */
export function addReflection(server: grpc.Server): void {
  for (const path of PATHS) {
    const method = {
      path,
      requestStream: true,
      responseStream: true,
      requestSerialize: asTheyCome,
      requestDeserialize: asTheyCome,
      responseSerialize: asTheyCome,
      responseDeserialize: asTheyCome,
    };
    const answer: grpc.handleBidiStreamingCall<Buffer, Buffer> = (call) => void answerAll(path, call);
    server.addService({ ServerReflectionInfo: method }, { ServerReflectionInfo: answer });
  }
}

async function answerAll(path: string, call: grpc.ServerDuplexStream<Buffer, Buffer>): Promise<void> {
  try {
    const { reflectionStream } = await import('./reflection-answers');
    const answers = reflectionStream(path);
    answers.on('data', (bytes: Buffer) => call.write(bytes));
    answers.on('end', () => call.end());
    answers.on('error', (error) => call.emit('error', toStatus(error)));
    call.on('data', (bytes: Buffer) => answers.write(bytes));
    call.on('end', () => answers.end());
  } catch (error) {
    call.emit('error', toStatus(error));
  }
}

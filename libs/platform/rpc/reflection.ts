import type * as grpc from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { DESCRIPTOR_SET_BASE64 } from '@streamline/wire/contracts/generated/descriptor-set';

/** Lets generic tools (grpcurl, Postman) list and call every service without the .proto files. */
export function addReflection(server: grpc.Server): void {
  const definition = loadFileDescriptorSetFromBuffer(Buffer.from(DESCRIPTOR_SET_BASE64, 'base64'));
  new ReflectionService(definition).addToServer(server);
}

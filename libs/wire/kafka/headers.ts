import type { AnyApi } from './schema/api';
import { int16, int32, string } from './schema/field';
import { Message } from './schema/message';

/** The client id keeps its non-compact form in v2, so that a broker can read it before it knows whether v1 or v2 it is. */
export const requestHeader = new Message('RequestHeader', '1-2', '2+', {
  requestApiKey: int16(),
  requestApiVersion: int16(),
  correlationId: int32(),
  clientId: string({ nullable: true, compact: false }),
});

export const responseHeader = new Message('ResponseHeader', '0-1', '1+', {
  correlationId: int32(),
});

const API_VERSIONS_KEY = 18;

type ApiHead = Pick<AnyApi, 'key' | 'flexibleFrom'>;

/** Versions that the API does not know count as well: a flexible API stays flexible. */
export function requestHeaderVersion(api: ApiHead, version: number): 1 | 2 {
  return version >= api.flexibleFrom ? 2 : 1;
}

/** ApiVersions is always answered with header v0: its client does not know yet what the broker speaks (KIP-511). */
export function responseHeaderVersion(api: ApiHead, version: number): 0 | 1 {
  return version >= api.flexibleFrom && api.key !== API_VERSIONS_KEY ? 1 : 0;
}

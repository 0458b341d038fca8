import { ErrorCode } from '@streamline/core/types/error-code';
import {
  ConnectionEnd,
  type Answer,
  type Completion,
  type ConnectionFacts,
  type RequestKind,
  type RequestProcessor,
} from '@streamline/runtime/gateway/connection';
import { apiVersions } from '@streamline/wire/kafka/apis/18-api-versions';
import { apisByKey } from '@streamline/wire/kafka/api-table';
import { WireError } from '@streamline/wire/kafka/codec/wire-error';
import { decodeRequestFrame, encodeResponse, type RequestFrame } from '@streamline/wire/kafka/frame';
import { RequestContext, type Gateway } from '../context/request-context';
import type { Handler } from '../handlers/handler';

/** The shortest request header: key, version, correlation id, null client id. */
const HEADER_BYTES_MIN = 10;

/** Finds the handler of each request by its key and version. */
export class KafkaRequestProcessor implements RequestProcessor {
  private readonly byKey: (Handler | undefined)[] = [];
  private readonly kinds: (RequestKind | undefined)[] = [];

  constructor(
    handlers: readonly Handler[],
    private readonly gateway: Gateway,
  ) {
    for (const each of handlers) {
      this.byKey[each.apiKey] = each;
      this.kinds[each.apiKey] = { key: each.apiKey, turn: each.turn };
    }
  }

  kindOf(frame: Buffer): RequestKind {
    const key = frame.length < 2 ? -1 : frame.readInt16BE(0);
    return this.kinds[key] ?? { key, turn: 'serial' };
  }

  /**
   * Key and version decide first: only what is served can be read at all. What handlers get is free of the frame, but for
   * those that say that they need no more of it than until they return.
   */
  process(frame: Buffer, connection: ConnectionFacts, completion: Completion): void {
    if (frame.length < HEADER_BYTES_MIN) {
      throw new ConnectionEnd('violation', `a frame of ${frame.length} bytes is too short for a request header`);
    }
    const apiKey = frame.readInt16BE(0);
    const apiVersion = frame.readInt16BE(2);
    const serving = this.byKey[apiKey];
    if (serving === undefined) {
      throw new ConnectionEnd('violation', `${apisByKey.get(apiKey)?.name ?? 'unknown API'} (key ${apiKey}) is not served`);
    }
    const { min, max } = serving.versions;
    if (apiVersion < min || apiVersion > max) {
      if (apiKey === apiVersions.key) {
        completion.answer(tellOwnVersions(serving, frame.readInt32BE(4)));
        return;
      }
      throw new ConnectionEnd('violation', `${serving.name} version ${apiVersion} is not supported, only ${min} to ${max}`);
    }
    const { clientId, correlationId, reader } = readHeader(frame, !serving.takesViews);
    serving.serve(reader, correlationId, new RequestContext(this.gateway, connection, apiVersion, clientId), completion);
  }
}

function readHeader(frame: Buffer, copyBytes: boolean): RequestFrame {
  try {
    return decodeRequestFrame(frame, copyBytes);
  } catch (error) {
    if (error instanceof WireError) throw new ConnectionEnd('violation', `malformed request header: ${error.message}`);
    throw error;
  }
}

/** KIP-511: a client that is too new learns with a v0 body which ApiVersions to ask with, and nothing else. */
function tellOwnVersions(serving: Handler, correlationId: number): Answer {
  const { min, max } = serving.versions;
  return encodeResponse(apiVersions, 0, correlationId, {
    errorCode: ErrorCode.UNSUPPORTED_VERSION,
    apiKeys: [{ apiKey: apiVersions.key, minVersion: min, maxVersion: max }],
  });
}

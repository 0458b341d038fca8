import { apisByKey } from './api-table';
import { Reader, REQUEST_LIMITS } from './codec/reader';
import { WireError } from './codec/wire-error';
import { giveWriterBack, lendWriter } from './codec/writer';
import { requestHeader, requestHeaderVersion, responseHeader, responseHeaderVersion } from './headers';
import type { AnyApi, Api } from './schema/api';
import type { Fields, ReadOf, WriteOf } from './schema/field';

/** A request of which the header has been read and the body has not. */
export interface RequestFrame {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** Undefined when no API has this key. That its version is a known one is not checked: see `api.versions`. */
  readonly api: AnyApi | undefined;
  /** Stands at the body: `produce.request.read(apiVersion, reader)`. */
  readonly reader: Reader;
}

/**
 * Reads the header of a request. `frame` is what follows the four bytes of the size; views on it (`bytes`, `records`) keep
 * it alive; with `copyBytes` there are copies instead, and its memory may be used again. An unknown key is read as header
 * v1, which is enough to name it in an error.
 * @throws WireError
 */
export function decodeRequestFrame(frame: Buffer, copyBytes = false): RequestFrame {
  if (frame.length < 4) throw new WireError('truncated', `request header of ${frame.length} bytes`, 0, frame.length);
  const apiKey = frame.readInt16BE(0);
  const apiVersion = frame.readInt16BE(2);
  const api = apisByKey.get(apiKey);
  const reader = new Reader(frame, 0, REQUEST_LIMITS, copyBytes);
  const header = requestHeader.read(api === undefined ? 1 : requestHeaderVersion(api, apiVersion), reader);
  return { apiKey, apiVersion, correlationId: header.correlationId, clientId: header.clientId, api, reader };
}

/**
 * A whole response, the four bytes of its size included, as the pieces to hand to `writev` in this order. Record bytes are
 * pieces of their own, not copies.
 * @throws EncodeError naming the field
 */
export function encodeResponse<Request extends Fields, Response extends Fields>(
  api: Api<Request, Response>,
  version: number,
  correlationId: number,
  body: WriteOf<Response>,
): Buffer[] {
  const writer = lendWriter();
  try {
    writer.beginFrame();
    responseHeader.write(responseHeaderVersion(api, version), writer, { correlationId });
    api.response.write(version, writer, body);
    return writer.finishFrame();
  } finally {
    giveWriterBack(writer);
  }
}

/** A whole request, as `encodeResponse` does it. @throws EncodeError naming the field */
export function encodeRequest<Request extends Fields, Response extends Fields>(
  api: Api<Request, Response>,
  version: number,
  correlationId: number,
  clientId: string | null,
  body: WriteOf<Request>,
): Buffer[] {
  const writer = lendWriter();
  try {
    writer.beginFrame();
    const header = { requestApiKey: api.key, requestApiVersion: version, correlationId, clientId };
    requestHeader.write(requestHeaderVersion(api, version), writer, header);
    api.request.write(version, writer, body);
    return writer.finishFrame();
  } finally {
    giveWriterBack(writer);
  }
}

/** Which request a response answers: the first four bytes of its frame, the size left out. @throws WireError */
export function correlationIdOf(frame: Buffer): number {
  if (frame.length < 4) throw new WireError('truncated', `response header of ${frame.length} bytes`, 0, frame.length);
  return frame.readInt32BE(0);
}

export interface ResponseFrame<Response extends Fields> {
  readonly correlationId: number;
  readonly body: ReadOf<Response>;
}

/** Reads a response; `frame` is what follows the four bytes of the size. @throws WireError, also for bytes after the body */
export function decodeResponse<Request extends Fields, Response extends Fields>(
  api: Api<Request, Response>,
  version: number,
  frame: Buffer,
): ResponseFrame<Response> {
  const reader = new Reader(frame);
  const { correlationId } = responseHeader.read(responseHeaderVersion(api, version), reader);
  const body = api.response.read(version, reader);
  reader.expectEnd();
  return { correlationId, body };
}

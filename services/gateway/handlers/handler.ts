import type { Answer, RequestTurn } from '@streamline/runtime/gateway/connection';
import { ConnectionEnd } from '@streamline/runtime/gateway/connection';
import { encodeResponse } from '@streamline/wire/kafka/frame';
import type { Reader } from '@streamline/wire/kafka/codec/reader';
import { WireError } from '@streamline/wire/kafka/codec/wire-error';
import type { Api } from '@streamline/wire/kafka/schema/api';
import type { Fields, ReadOf, WriteOf } from '@streamline/wire/kafka/schema/field';
import type { VersionRange } from '@streamline/wire/kafka/schema/versions';
import { errorCodesOf } from './answer-errors';
import { kafkaErrorOf, type FailureCodes, type KafkaError } from '../context/kafka-error';
import type { RequestContext } from '../context/request-context';

/** How one API is answered. */
export interface HandlerDefinition<Request extends Fields, Response extends Fields> {
  readonly api: Api<Request, Response>;
  /** Fewer than the API's stable versions, where the others are not built. */
  readonly versions?: VersionRange;
  /** What ApiVersions says is the lowest version, where that is not what is accepted. */
  readonly advertisedMin?: number;
  /** `serial` where nothing is said. */
  readonly turn?: RequestTurn;
  /** What clients are told when a service behind the API fails. */
  readonly failures: FailureCodes;
  /** The handler counts the error codes of its answers itself, where looking through each would cost too much. */
  readonly countsErrors?: true;
  /** Answers a request; `undefined` where the protocol has no answer. Throws KafkaError to fail the whole request. */
  handle(
    request: ReadOf<Request>,
    context: RequestContext,
  ): WriteOf<Response> | undefined | Promise<WriteOf<Response> | undefined>;
  /** The answer that says of the whole request that it failed. */
  failure(request: ReadOf<Request>, error: KafkaError, context: RequestContext): WriteOf<Response>;
}

/** A handler whose types are sealed: bytes in, bytes out. */
export interface Handler {
  readonly apiKey: number;
  readonly name: string;
  readonly versions: VersionRange;
  readonly advertisedMin: number;
  readonly turn: RequestTurn;
  /**
   * Reads the body, which the reader stands at, and starts the request: its effects have taken place when this returns.
   * @throws ConnectionEnd, also by rejecting.
   */
  serve(reader: Reader, correlationId: number, context: RequestContext): Answer | undefined | Promise<Answer | undefined>;
}

export function handler<Request extends Fields, Response extends Fields>(
  definition: HandlerDefinition<Request, Response>,
): Handler {
  const { api } = definition;
  const versions = definition.versions ?? api.stableVersions;
  return {
    apiKey: api.key,
    name: api.name,
    versions,
    advertisedMin: definition.advertisedMin ?? versions.min,
    turn: definition.turn ?? 'serial',
    serve: (reader, correlationId, context) => serve(definition, reader, correlationId, context),
  };
}

function serve<Request extends Fields, Response extends Fields>(
  definition: HandlerDefinition<Request, Response>,
  reader: Reader,
  correlationId: number,
  context: RequestContext,
): Answer | undefined | Promise<Answer | undefined> {
  const { api } = definition;
  const request = readBody(api, reader, context.apiVersion);
  const encode = (response: WriteOf<Response> | undefined): Answer | undefined => {
    if (response === undefined) return undefined;
    if (definition.countsErrors !== true) countErrors(api.key, response, context);
    return encodeResponse(api, context.apiVersion, correlationId, response);
  };
  const fail = (error: unknown): Answer | undefined => encode(failed(definition, request, error, context));
  try {
    const outcome = definition.handle(request, context);
    return outcome instanceof Promise ? outcome.then(encode).catch(fail) : encode(outcome);
  } catch (error) {
    return fail(error);
  }
}

function countErrors(apiKey: number, response: unknown, context: RequestContext): void {
  for (const code of errorCodesOf(response)) context.gateway.metrics.errorAnswered(apiKey, code);
}

function readBody<Request extends Fields, Response extends Fields>(
  api: Api<Request, Response>,
  reader: Reader,
  version: number,
): ReadOf<Request> {
  try {
    // Bytes after the body are left alone, as Kafka does: librdkafka leaves three behind a Metadata request for all topics.
    return api.request.read(version, reader);
  } catch (error) {
    if (error instanceof WireError) throw new ConnectionEnd('violation', `malformed request: ${error.message}`);
    throw error;
  }
}

function failed<Request extends Fields, Response extends Fields>(
  definition: HandlerDefinition<Request, Response>,
  request: ReadOf<Request>,
  thrown: unknown,
  context: RequestContext,
): WriteOf<Response> {
  if (thrown instanceof ConnectionEnd) throw thrown;
  const error = kafkaErrorOf(thrown, definition.failures);
  const { metrics, log } = context.gateway;
  metrics.requestFailed(definition.api.key);
  if (error.cause !== undefined) {
    const fields = { api: definition.api.name, version: context.apiVersion, code: error.code, error: describe(error.cause) };
    log.write('error', `request-failed-${definition.api.name}`, fields, 'a request failed as a whole');
  }
  return definition.failure(request, error, context);
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

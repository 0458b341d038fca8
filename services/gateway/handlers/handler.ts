import type { Completion, RequestTurn } from '@streamline/runtime/gateway/connection';
import { ConnectionEnd } from '@streamline/runtime/gateway/connection';
import { failureFields } from '@streamline/wire/contracts/port-error';
import { encodeResponse } from '@streamline/wire/kafka/frame';
import type { Reader } from '@streamline/wire/kafka/codec/reader';
import { WireError } from '@streamline/wire/kafka/codec/wire-error';
import type { Api } from '@streamline/wire/kafka/schema/api';
import type { Fields, ReadOf, WriteOf } from '@streamline/wire/kafka/schema/field';
import type { VersionRange } from '@streamline/wire/kafka/schema/versions';
import { errorCodesOf } from './answer-errors';
import { kafkaErrorOf, type FailureCodes, type KafkaError } from '../context/kafka-error';
import type { RequestContext } from '../context/request-context';

/** What handlers say of an API beside how they answer it. */
interface ApiDefinition<Request extends Fields, Response extends Fields> {
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
  /**
   * The byte strings of its requests are views of memory that the next request is read to: it needs them no longer when
   * `handle` or `start` returns, however late it answers. Others get copies.
   */
  readonly takesViews?: true;
  /** The answer that says of the whole request that it failed. */
  failure(request: ReadOf<Request>, error: KafkaError, context: RequestContext): WriteOf<Response>;
}

/** How one API is answered. */
export interface HandlerDefinition<Request extends Fields, Response extends Fields> extends ApiDefinition<Request, Response> {
  /** Answers a request; `undefined` where the protocol has no answer. Throws KafkaError to fail the whole request. */
  handle(
    request: ReadOf<Request>,
    context: RequestContext,
  ): WriteOf<Response> | undefined | Promise<WriteOf<Response> | undefined>;
}

/** The same for APIs of which every promise counts. */
export interface ReplyingDefinition<Request extends Fields, Response extends Fields> extends ApiDefinition<Request, Response> {
  /** Starts a request and sees to it that `reply` is called once; throws like `handle` where it has not been. */
  start(request: ReadOf<Request>, context: RequestContext, reply: Reply<WriteOf<Response>>): void;
}

/** Takes what `handle` would return or throw. */
export interface Reply<Response> {
  send(response: Response | undefined): void;
  fail(error: unknown): void;
}

/** A handler whose types are sealed: bytes in, bytes out. */
export interface Handler {
  readonly apiKey: number;
  readonly name: string;
  readonly versions: VersionRange;
  readonly advertisedMin: number;
  readonly turn: RequestTurn;
  /** See HandlerDefinition. */
  readonly takesViews: boolean;
  /**
   * Reads the body, which the reader stands at, and starts the request: its effects have taken place when this returns.
   * @throws ConnectionEnd where the body cannot be read
   */
  serve(reader: Reader, correlationId: number, context: RequestContext, completion: Completion): void;
}

export function handler<Request extends Fields, Response extends Fields>(
  definition: HandlerDefinition<Request, Response>,
): Handler {
  return replyingHandler({
    ...definition,
    start(request, context, reply) {
      const outcome = definition.handle(request, context);
      if (outcome instanceof Promise) {
        outcome.then(
          (response) => reply.send(response),
          (error: unknown) => reply.fail(error),
        );
      } else {
        reply.send(outcome);
      }
    },
  });
}

export function replyingHandler<Request extends Fields, Response extends Fields>(
  definition: ReplyingDefinition<Request, Response>,
): Handler {
  const { api } = definition;
  const versions = definition.versions ?? api.stableVersions;
  return {
    apiKey: api.key,
    name: api.name,
    versions,
    advertisedMin: definition.advertisedMin ?? versions.min,
    turn: definition.turn ?? 'serial',
    takesViews: definition.takesViews === true,
    serve(reader, correlationId, context, completion) {
      const request = readBody(api, reader, context.apiVersion);
      new Exchange(definition, request, correlationId, context, completion).start();
    },
  };
}

/** One request on its way to the bytes of its answer. */
class Exchange<Request extends Fields, Response extends Fields> implements Reply<WriteOf<Response>> {
  constructor(
    private readonly definition: ReplyingDefinition<Request, Response>,
    private readonly request: ReadOf<Request>,
    private readonly correlationId: number,
    private readonly context: RequestContext,
    private readonly completion: Completion,
  ) {}

  start(): void {
    try {
      this.definition.start(this.request, this.context, this);
    } catch (error) {
      this.fail(error);
    }
  }

  send(response: WriteOf<Response> | undefined): void {
    let answer: Buffer[] | undefined;
    try {
      if (response !== undefined) answer = this.encode(response);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.completion.answer(answer);
  }

  fail(error: unknown): void {
    let answer: Buffer[];
    try {
      answer = this.encode(failed(this.definition, this.request, error, this.context));
    } catch (unanswerable) {
      this.completion.fail(unanswerable);
      return;
    }
    this.completion.answer(answer);
  }

  private encode(response: WriteOf<Response>): Buffer[] {
    const { api, countsErrors } = this.definition;
    if (countsErrors !== true) countErrors(api.key, response, this.context);
    return encodeResponse(api, this.context.apiVersion, this.correlationId, response);
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
  definition: ApiDefinition<Request, Response>,
  request: ReadOf<Request>,
  thrown: unknown,
  context: RequestContext,
): WriteOf<Response> {
  if (thrown instanceof ConnectionEnd) throw thrown;
  const error = kafkaErrorOf(thrown, definition.failures);
  const { metrics, log } = context.gateway;
  metrics.requestFailed(definition.api.key);
  if (error.cause !== undefined) {
    const failure = failureFields(error.cause);
    const fields = { api: definition.api.name, version: context.apiVersion, code: error.code, ...failure };
    const level = 'err' in failure ? 'error' : 'warn';
    log.write(level, `request-failed-${definition.api.name}`, fields, 'a request failed as a whole');
  }
  return definition.failure(request, error, context);
}

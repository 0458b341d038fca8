import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Inject } from '@nestjs/common';
import { PortError, type PortErrorCode } from '@streamline/wire/contracts/port-error';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { ErrorBody } from '../bodies';
import { methodsOf } from '../openapi/document';
import { BODY_BYTES_MAX } from './limits';
import { RequestError } from './request-error';
import { ADMIN_LOGGER } from './tokens';

const STATUS_OF: Readonly<Record<PortErrorCode, number>> = {
  unavailable: 503,
  deadline: 503,
  cancelled: 503,
  overloaded: 503,
  retired: 503,
  invalid: 400,
  internal: 500,
};

const BAD_REQUEST = 400;
const NOT_FOUND = 404;
const METHOD_NOT_ALLOWED = 405;
const CONTENT_TOO_LARGE = 413;
const UNSUPPORTED_MEDIA_TYPE = 415;
const INTERNAL_ERROR = 500;

interface Answer {
  readonly status: number;
  readonly body: ErrorBody;
  readonly allow?: string;
}

/** Fastify's own errors (body too large, no JSON, unknown media type) carry their status. */
function statusCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('statusCode' in error) || typeof error.statusCode !== 'number') return undefined;
  return error.statusCode >= 400 && error.statusCode < 500 ? error.statusCode : undefined;
}

/** What Fastify finds wrong with a body, in words that say what is right. */
function bodyProblem(status: number): ErrorBody | undefined {
  if (status === UNSUPPORTED_MEDIA_TYPE) {
    return { error: 'The body must be JSON: send it with Content-Type: application/json', field: 'Content-Type' };
  }
  if (status === CONTENT_TOO_LARGE)
    return { error: `The body is larger than the ${BODY_BYTES_MAX} bytes that are taken`, field: 'body' };
  return status === BAD_REQUEST ? { error: 'The body is not valid JSON', field: 'body' } : undefined;
}

function answerOf(error: unknown, request: FastifyRequest): Answer {
  if (error instanceof PortError) return { status: STATUS_OF[error.code], body: { error: error.message } };
  if (error instanceof RequestError) return { status: error.status, body: { error: error.message, field: error.field } };
  const status = error instanceof HttpException ? error.getStatus() : statusCodeOf(error);
  if (status === undefined || !(error instanceof Error)) {
    return { status: INTERNAL_ERROR, body: { error: "Unexpected error; the node's log tells more" } };
  }
  const path = request.url.split('?', 1)[0] ?? '';
  const methods = methodsOf(path);
  if (methods === undefined) return { status: NOT_FOUND, body: { error: `No such path: ${path}. GET /docs lists all` } };
  if (methods.includes(request.method)) return { status, body: bodyProblem(status) ?? { error: error.message } };
  const allow = methods.join(', ');
  const reason = `${path} does not take ${request.method}, only ${allow}`;
  return { status: METHOD_NOT_ALLOWED, body: { error: reason }, allow };
}

/** Every error is {"error": "..."} in JSON with a fitting status. */
@Catch()
export class ErrorsFilter implements ExceptionFilter {
  constructor(@Inject(ADMIN_LOGGER) private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const answer = answerOf(error, request);
    if (answer.status >= INTERNAL_ERROR && !(error instanceof PortError)) {
      this.logger.error({ err: error, method: request.method, path: request.url }, 'HTTP request failed');
    }
    if (reply.sent) return;
    if (answer.allow !== undefined) void reply.header('allow', answer.allow);
    void reply.status(answer.status).type('application/json; charset=utf-8').send(answer.body);
  }
}

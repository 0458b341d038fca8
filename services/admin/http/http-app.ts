import 'reflect-metadata';
import type { AddressInfo, Socket } from 'node:net';
import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { NestLogger } from '@streamline/platform/lifecycle/nest-logger';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { AdminService } from '../admin.service';
import { ClusterController } from './cluster.controller';
import { ErrorsFilter } from './errors.filter';
import { BODY_BYTES_MAX } from './limits';
import { NodeController } from './node.controller';
import { ADMIN_LOGGER, ADMIN_SERVICE, API_VERSION } from './tokens';

export interface HttpLimits {
  /** A request has to be complete within this, or it is answered 408: against those who send a byte now and then. */
  readonly requestTimeoutMs: number;
  /** How often that is looked at: a request may take so much longer. */
  readonly checkIntervalMs: number;
  readonly keepAliveMs: number;
  /** Beyond it connections are closed as they come. */
  readonly connectionsMax: number;
}

const DEFAULT_LIMITS: HttpLimits = {
  requestTimeoutMs: 10_000,
  checkIntervalMs: 1_000,
  keepAliveMs: 5_000,
  connectionsMax: 1_000,
};

export interface HttpAppOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly version: string;
  readonly service: AdminService;
  readonly logger: Logger;
  readonly limits?: HttpLimits;
}

export interface HttpApp {
  readonly port: number;
  /** What is served, as `GET /path`. */
  readonly routes: readonly string[];
  /** Stops accepting and answers what was asked; connections that are idle are closed at once. */
  close(): Promise<void>;
}

@Module({})
class AdminHttpModule {
  static of({ service, logger, version }: HttpAppOptions): DynamicModule {
    return {
      module: AdminHttpModule,
      controllers: [NodeController, ClusterController],
      providers: [
        { provide: ADMIN_SERVICE, useValue: service },
        { provide: ADMIN_LOGGER, useValue: logger },
        { provide: API_VERSION, useValue: version },
        { provide: APP_FILTER, useClass: ErrorsFilter },
      ],
    };
  }
}

function rawAnswer(status: string, error: string): string {
  const body = JSON.stringify({ error });
  return [
    `HTTP/1.1 ${status}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    '',
    body,
  ].join('\r\n');
}

/** What is no HTTP at all gets an answer too, where there is somebody to answer. */
function answerBadClient(error: NodeJS.ErrnoException, socket: Socket, { requestTimeoutMs }: HttpLimits): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, reason] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', `The request was not complete within ${requestTimeoutMs} ms`]
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'The request headers are too large']
        : ['400 Bad Request', 'This is not an HTTP request'];
  socket.end(rawAnswer(status, reason), () => socket.destroy());
}

function createAdapter(limits: HttpLimits): FastifyAdapter {
  return new FastifyAdapter({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveMs,
    // By itself Node looks every 30 seconds only.
    http: { connectionsCheckingInterval: limits.checkIntervalMs },
    forceCloseConnections: 'idle',
    routerOptions: { ignoreTrailingSlash: true },
    clientErrorHandler: (error, socket) => answerBadClient(error, socket, limits),
    frameworkErrors: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) => {
      void reply.status(error.statusCode ?? 400).send({ error: error.message });
    },
  });
}

/**
 * No other type is taken, so that a page of another origin cannot command anything: of JSON a browser asks first. A client
 * may name the type without sending a body.
 */
function takeJsonOnly(fastify: FastifyInstance): void {
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined);
    else void parse(request, body, done);
  });
}

/** Loaded when the admin role starts: Nest and Fastify cost a start more than all the rest. */
export async function startHttpApp(options: HttpAppOptions): Promise<HttpApp> {
  const { limits = DEFAULT_LIMITS } = options;
  const adapter = createAdapter(limits);
  const fastify = adapter.getInstance();
  const routes: string[] = [];
  fastify.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) if (one !== 'HEAD') routes.push(`${one} ${url}`);
  });
  takeJsonOnly(fastify);
  fastify.server.maxConnections = limits.connectionsMax;
  const app = await NestFactory.create<NestFastifyApplication>(AdminHttpModule.of(options), adapter, {
    logger: new NestLogger(options.logger),
    abortOnError: false,
    bodyParser: false,
    forceCloseConnections: true,
  });
  await app.listen(options.listen.port, options.listen.host);
  const { port } = fastify.server.address() as AddressInfo;
  return { port, routes, close: () => app.close() };
}

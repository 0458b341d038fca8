import 'reflect-metadata';
import type { AddressInfo, Socket } from 'node:net';
import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { NestLogger } from '@streamline/platform/lifecycle/nest-logger';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { AdminService } from '../admin.service';
import { ClusterController } from './cluster.controller';
import { ErrorsFilter } from './errors.filter';
import { NodeController } from './node.controller';
import { ADMIN_LOGGER, ADMIN_SERVICE, API_VERSION } from './tokens';

/** The largest body that a request may have; nothing here takes a large one. */
const BODY_BYTES_MAX = 64 * 1024;
/** A request has to be complete within this, or it is answered 408: against those who send a byte now and then. */
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;
const CONNECTIONS_MAX = 1_000;

export interface HttpAppOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly version: string;
  readonly service: AdminService;
  readonly logger: Logger;
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
function answerBadClient(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, reason] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', `The request was not complete within ${REQUEST_TIMEOUT_MS} ms`]
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'The request headers are too large']
        : ['400 Bad Request', 'This is not an HTTP request'];
  socket.end(rawAnswer(status, reason), () => socket.destroy());
}

function createAdapter(): FastifyAdapter {
  return new FastifyAdapter({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    routerOptions: { ignoreTrailingSlash: true },
    clientErrorHandler: answerBadClient,
    frameworkErrors: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) => {
      void reply.status(error.statusCode ?? 400).send({ error: error.message });
    },
  });
}

/** Loaded when the admin role starts: Nest and Fastify cost a start more than all the rest. */
export async function startHttpApp(options: HttpAppOptions): Promise<HttpApp> {
  const adapter = createAdapter();
  const fastify = adapter.getInstance();
  const routes: string[] = [];
  fastify.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) if (one !== 'HEAD') routes.push(`${one} ${url}`);
  });
  fastify.server.maxConnections = CONNECTIONS_MAX;
  const app = await NestFactory.create<NestFastifyApplication>(AdminHttpModule.of(options), adapter, {
    logger: new NestLogger(options.logger),
    abortOnError: false,
    forceCloseConnections: true,
  });
  await app.listen(options.listen.port, options.listen.host);
  const { port } = fastify.server.address() as AddressInfo;
  return { port, routes, close: () => app.close() };
}

import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StartupError } from '@streamline/platform/lifecycle/startup-error';
import { PortError } from '@streamline/wire/contracts/port-error';
import { type AdminRole, createAdminRole } from './admin-role';
import { AdminService } from './admin.service';
import { clusterStatusBody, errorBody, healthBody, infoBody, livenessBody, membersBody } from './bodies';
import { broker, options, quorum, ready, replica, rolePort } from './fixtures';
import { type HttpApp, startHttpApp } from './http/http-app';
import { openApiDocument, SCHEMAS } from './openapi/document';
import { type JsonSchema, type MediaDoc, operationsOf } from './openapi/operation';
import { docsHtml, docsMarkdown } from './openapi/pages';

const logger = pino({ level: 'silent' });
const listen = { host: '127.0.0.1', port: 0 };

/** What the fake node says at the moment. */
let leaderId: number | undefined;
let isReady: boolean;
let isAnswering: boolean;
let app: HttpApp;

/** As few and as short as a test wants them. */
const FEW = { requestTimeoutMs: 300, checkIntervalMs: 100, keepAliveMs: 5_000, connectionsMax: 3 };

function fakeService(): AdminService {
  return new AdminService(
    options({
      controller: {
        getQuorumStatus: () =>
          isAnswering
            ? Promise.resolve(quorum({ leaderId }))
            : Promise.reject(new PortError('unavailable', 'connection refused')),
      },
      replica: replica(broker(1)),
      processes: () => [
        {
          roles: ['storage'],
          port: rolePort(async () =>
            ['controller', 'storage', 'gateway', 'admin'].map((role) => ({ ...ready(role), ready: isReady })),
          ),
        },
      ],
    }),
  );
}

beforeAll(async () => {
  app = await startHttpApp({ listen, version: '0.1.0', service: fakeService(), logger });
});
afterAll(() => app.close());

async function ask(path: string, init?: RequestInit) {
  const response = await fetch(`http://127.0.0.1:${app.port}${path}`, init);
  const text = await response.text();
  const type = response.headers.get('content-type') ?? '';
  return {
    status: response.status,
    type,
    text,
    headers: response.headers,
    json: type.includes('json') && text !== '' ? JSON.parse(text) : undefined,
  };
}

function healthy(): void {
  [leaderId, isReady, isAnswering] = [1, true, true];
}

/** Sends bytes and reads to the end of the connection; a reset after the answer, of what was not read any more, is an end too. */
function raw(bytes: string, { port } = app): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('close', () => resolve(answer));
    socket.on('error', (error) => (answer === '' ? reject(error) : resolve(answer)));
  });
}

/** Sends a header a byte at a time, until the connection ends; tells what came. */
function drip({ port }: HttpApp): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('GET /info HTTP/1.1\r\nx: '));
    const timer = setInterval(() => socket.write('y'), 20);
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearInterval(timer);
      resolve(answer);
    });
  });
}

describe('the HTTP API', () => {
  it.each([
    ['/health/live', livenessBody],
    ['/health/ready', healthBody],
    ['/health', healthBody],
    ['/api/v1/cluster/status', clusterStatusBody],
    ['/api/v1/cluster/members', membersBody],
    ['/info', infoBody],
  ])('answers 200 on %s with exactly the documented fields', async (path, schema) => {
    healthy();
    const { status, type, json } = await ask(path);
    expect([status, type]).toEqual([200, 'application/json; charset=utf-8']);
    expect(schema.safeParse(json)).toMatchObject({ success: true });
  });

  it('answers 503 on status with the same body when the node is not healthy', async () => {
    healthy();
    leaderId = undefined;
    const { status, json } = await ask('/api/v1/cluster/status');
    expect(status).toBe(503);
    expect(clusterStatusBody.parse(json)).toMatchObject({ healthy: false, leader_id: null, node_id: 1 });
  });

  it('answers 503 on ready but 200 on live when a role cannot work', async () => {
    healthy();
    isReady = false;
    const readiness = await ask('/health/ready');
    expect(readiness.status).toBe(503);
    expect(healthBody.parse(readiness.json).ready).toBe(false);
    expect((await ask('/health')).status).toBe(503);
    expect((await ask('/health/live')).status).toBe(200);
  });

  it('answers 503 with the reason where the controller does not answer', async () => {
    healthy();
    isAnswering = false;
    expect(await ask('/api/v1/cluster/members')).toMatchObject({ status: 503, json: { error: 'connection refused' } });
    const status = await ask('/api/v1/cluster/status');
    expect(status.status).toBe(503);
    expect(clusterStatusBody.parse(status.json)).toMatchObject({ node_state: null, committed_log_index: null });
  });

  it('answers metrics as Prometheus wants them', async () => {
    const { status, type, text } = await ask('/metrics');
    expect([status, type]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    expect(text).toContain('streamline_process_up{process="storage"} 1\n');
  });

  it('answers HEAD as GET without the body', async () => {
    healthy();
    expect(await ask('/health/ready', { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
  });
});

describe('errors of the HTTP API', () => {
  it.each([
    ['404 on an unknown path', '/api/v1/cluster/nothing', {}, 404, 'No such path: /api/v1/cluster/nothing. GET /docs lists all'],
    [
      '405 on a method that a path does not take',
      '/info',
      { method: 'DELETE' },
      405,
      '/info does not take DELETE, only GET, HEAD',
    ],
    [
      '405 before any look at the body',
      '/info',
      { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } },
      405,
      /does not take POST/,
    ],
    ['400 on a path that is none', '/%zz', {}, 400, /not a valid url/],
  ] as const)('are %s', async (_, path, init, status, error) => {
    const answer = await ask(path, init);
    expect(answer.status).toBe(status);
    expect(answer.type).toBe('application/json; charset=utf-8');
    expect(errorBody.parse(answer.json).error).toMatch(error);
    if (status === 405) expect(answer.headers.get('allow')).toBe('GET, HEAD');
  });

  it('are told to who speaks no HTTP at all', async () => {
    expect(await raw('\u0000\u0000\u0000\u0012kafka\r\n\r\n')).toMatch(
      /^HTTP\/1.1 400 Bad Request\r\n[^]*\{"error":"This is not an HTTP request"\}$/,
    );
    expect(await raw(`GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431[^]*too large"\}$/);
  });

  it('do not keep large bodies', async () => {
    const head =
      'POST /info HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000000000\r\nconnection: close\r\n\r\n';
    expect(await raw(head)).toMatch(/^HTTP\/1.1 4(05|13) /);
  });
});

describe('the limits of the HTTP API', () => {
  it('a request that is not complete in time is answered 408, however busily its client sends', async () => {
    const strict = await startHttpApp({ listen, version: '0.1.0', service: fakeService(), logger, limits: FEW });
    const [silent, busy] = await Promise.all([raw('GET /info HTTP/1.1\r\nhost:', strict), drip(strict)]);
    for (const answer of [silent, busy]) {
      expect(answer).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n[^]*"The request was not complete within 300 ms"\}$/);
    }
    await strict.close();
  });

  it('connections beyond the highest number are closed, and others answered when there is room again', async () => {
    healthy();
    const limits = { ...FEW, requestTimeoutMs: 60_000 };
    const strict = await startHttpApp({ listen, version: '0.1.0', service: fakeService(), logger, limits });
    const held = Array.from({ length: FEW.connectionsMax }, () => connect(strict.port, '127.0.0.1'));
    await Promise.all(held.map((socket) => once(socket, 'connect')));
    const question = 'GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';
    expect(await raw(question, strict).catch(() => '')).toBe('');
    for (const socket of held) socket.destroy();
    let answer = '';
    while (answer === '') answer = await raw(question, strict).catch(() => '');
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    await strict.close();
  });
});

describe('the OpenAPI document', () => {
  const document = openApiDocument('0.1.0');

  const operations = operationsOf(document.paths);

  it('names exactly the paths that are served', () => {
    const served = app.routes.map((route) => route.replace(/\/$/, '').replace(/:nodeId/, '{node_id}'));
    const named = operations.map(({ path, method }) => `${method.toUpperCase()} ${path}`);
    expect(served.sort()).toEqual(named.sort());
  });

  it('is valid: unique operations, known tags, described responses, resolved references', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
    const tags = document.tags.map(({ name }) => name);
    for (const { path, operation } of operations) {
      for (const tag of operation.tags) expect(tags).toContain(tag);
      const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path').map(({ name }) => `{${name}}`);
      expect(path.match(/\{\w+\}/g) ?? []).toEqual(inPath);
      if (operation.requestBody !== undefined) expectResolved(operation.requestBody.content['application/json'].schema);
      expect(Object.keys(operation.responses)).toContain('200');
      for (const [status, { description, content }] of Object.entries(operation.responses)) {
        expect(status).toMatch(/^[1-5]\d\d$/);
        expect(description).not.toBe('');
        for (const { schema } of Object.values(content ?? {})) expectResolved(schema);
      }
    }
    for (const schema of Object.values(document.components.schemas)) expectResolved(schema);
  });

  function expectResolved(schema: JsonSchema): void {
    if (schema.$ref !== undefined) expect(Object.keys(document.components.schemas)).toContain(schema.$ref.split('/').at(-1));
    for (const inner of [
      ...Object.values(schema.properties ?? {}),
      ...(schema.anyOf ?? []),
      ...(schema.items ? [schema.items] : []),
    ]) {
      expectResolved(inner);
    }
    for (const name of schema.required ?? []) expect(Object.keys(schema.properties ?? {})).toContain(name);
  }

  it('has examples that are true to their schemas', () => {
    const bodies: MediaDoc[] = operations.flatMap(({ operation }) => [
      ...Object.values(operation.requestBody?.content ?? {}),
      ...Object.values(operation.responses).flatMap(({ content }) => Object.values(content ?? {})),
    ]);
    const withExamples = bodies.filter(({ example }) => example !== undefined);
    expect(withExamples.length).toBeGreaterThan(15);
    for (const { schema, example } of withExamples) {
      const names = (schema.anyOf ?? [schema]).map(({ $ref = '' }) => $ref.split('/').at(-1) ?? '');
      const isTrue = names.some((name) => SCHEMAS[name]?.safeParse(example).success);
      expect(isTrue, JSON.stringify({ names, example })).toBe(true);
    }
  });

  it('is served, and as a page that needs nothing from elsewhere', async () => {
    expect((await ask('/docs/openapi.json')).json).toEqual(JSON.parse(JSON.stringify(document)));
    const page = await ask('/docs');
    expect([page.status, page.type]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.text).toBe(docsHtml(document));
    expect(page.text).not.toMatch(/<script|https?:\/\/|@import/);
    for (const path of Object.keys(document.paths)) expect(page.text).toContain(`<code>${path}</code>`);
  });

  it('is docs/http-api.md', async () => {
    await expect(docsMarkdown(document)).toMatchFileSnapshot(join(import.meta.dirname, '../../docs/http-api.md'));
  });
});

describe('the admin role', () => {
  function role(port = 0): AdminRole {
    return createAdminRole({ ...options(), listen: { host: '127.0.0.1', port }, logger });
  }

  it('is ready while its listener is open', async () => {
    const admin = role();
    expect(admin.status()).toMatchObject({ role: 'admin', ready: false });
    await admin.start();
    expect(admin.status()).toMatchObject({ role: 'admin', ready: true });
    expect((await fetch(`http://127.0.0.1:${admin.port}/health/live`)).status).toBe(200);
    await admin.stop();
    expect(admin.status().ready).toBe(false);
    await admin.stop();
  });

  it('names the flag when its port is in use', async () => {
    const attempt = role(app.port).start();
    await expect(attempt).rejects.toBeInstanceOf(StartupError);
    await expect(attempt).rejects.toMatchObject({
      exitCode: 6,
      message: `127.0.0.1:${app.port} is in use by another process`,
      remedy: expect.stringContaining('--http-addr'),
    });
  });

  it('answers in process, also before it listens', async () => {
    expect(await role().admin.getInfo({})).toMatchObject({ name: 'streamline', version: '0.1.0' });
  });
});

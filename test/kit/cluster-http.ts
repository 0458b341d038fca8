import { request } from 'node:http';
import type { ClusterStatusBody, MembersBody } from '@streamline/services/admin/bodies';

const ANSWER_WITHIN_MS = 60_000;

export interface HttpAnswer {
  /** HTTP status code. */
  readonly code: number;
  readonly type: string | undefined;
  readonly text: string;
}

export interface StatusAnswer {
  readonly code: number;
  readonly body: ClusterStatusBody;
}

export interface MembersAnswer {
  readonly code: number;
  readonly body: MembersBody;
}

/** One request over a connection of its own, so that nothing of a process that was killed is used again. Fails when nobody answers. */
export function ask(method: string, url: string, body?: unknown, withinMs = ANSWER_WITHIN_MS): Promise<HttpAnswer> {
  const content = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  const headers = content === undefined ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false, signal: AbortSignal.timeout(withinMs) }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const { statusCode: code = 0, headers: answered } = answer;
        resolve({ code, type: answered['content-type'], text: Buffer.concat(chunks).toString() });
      });
    });
    sent.on('error', reject);
    sent.end(content);
  });
}

export function jsonOf({ text }: HttpAnswer): unknown {
  return JSON.parse(text);
}

import { request } from 'node:http';
import { type Address, formatAddress } from '@streamline/platform/config/address';
import { ClusterExit } from '@streamline/platform/config/cluster-exit';
import { ClusterCommandError } from './cluster-command-error';

export interface AdminAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const PREFIX = '/api/v1/cluster';
/** In characters; members take about 200 each. */
const ANSWER_LENGTH_MAX = 4 * 1024 * 1024;

interface Received {
  readonly status: number;
  readonly text: string;
}

/** One node's HTTP API under /api/v1/cluster. */
export class AdminClient {
  private readonly shown: string;

  constructor(private readonly address: Address) {
    this.shown = formatAddress(address);
  }

  /**
   * Whatever status the node answers with. Fails with ClusterCommandError where no node answers, or something that is none.
   * @param timeoutMs the longest that the answer is waited for
   */
  async ask(method: 'GET' | 'POST' | 'DELETE', path: string, timeoutMs: number, body?: object): Promise<AdminAnswer> {
    const signal = AbortSignal.timeout(timeoutMs);
    let received: Received;
    try {
      received = await this.exchange(method, path, signal, body === undefined ? undefined : JSON.stringify(body));
    } catch (error) {
      const reason = signal.aborted ? `nothing within ${timeoutMs} ms` : reasonOf(error);
      throw method === 'GET' || isNeverSent(error) ? this.unreachable(reason) : this.answerLost(reason);
    }
    const given = parsed(received.text);
    if (given === undefined) throw this.stranger(received.status);
    return { status: received.status, body: given };
  }

  /** Not by fetch, which refuses ports such as 10080 and takes longer to load than all of this. */
  private exchange(method: string, path: string, signal: AbortSignal, body: string | undefined): Promise<Received> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const sent = request({ ...this.address, path: `${PREFIX}${path}`, method, headers, signal, agent: false }, (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (part: string) => {
          text += part;
          if (text.length > ANSWER_LENGTH_MAX)
            sent.destroy(new Error(`its answer has more than ${ANSWER_LENGTH_MAX} characters`));
        });
        answer.on('error', reject);
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  private unreachable(reason: string): ClusterCommandError {
    const remedy = 'Name the HTTP address of a node that runs with --http-addr HOST:PORT (port 9094 by default).';
    return new ClusterCommandError(ClusterExit.UNREACHABLE, `no node answers at ${this.shown}: ${reason}`, remedy);
  }

  private answerLost(reason: string): ClusterCommandError {
    const remedy = 'What was asked for may still happen: see streamline cluster members, then repeat the command.';
    return new ClusterCommandError(ClusterExit.FAILED, `the answer of ${this.shown} is missing: ${reason}`, remedy);
  }

  private stranger(status: number): ClusterCommandError {
    const remedy = 'Name the HTTP address of a node with --http-addr HOST:PORT (port 9094 by default).';
    const message = `what answers at ${this.shown} is no Streamline node (status ${status} without JSON)`;
    return new ClusterCommandError(ClusterExit.UNREACHABLE, message, remedy);
  }
}

const NEVER_SENT: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

/** The node cannot have begun what it was never asked. */
function isNeverSent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && NEVER_SENT.has(error.code);
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

/** Where a name has several addresses, the reason of the first. */
function reasonOf(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error ? first.message : String(first);
}

import { ControllerServiceDefinition } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { MembershipServiceDefinition } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import type { CallContext } from '@streamline/wire/contracts/port';
import type { PortErrorCode } from '@streamline/wire/contracts/port-error';
import type { ControllerPort, MembershipPort } from '@streamline/wire/contracts/ports';
import { type BoundMethod, unaryMethodsOf } from '@streamline/platform/rpc/service-definition';
import type { PeerPorts } from '@streamline/runtime/controller/peer-ports';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { EventQueue } from '@streamline/testing/raft/event-queue';
import type { Network } from '@streamline/testing/raft/network';
import { isDiskFault } from '@streamline/testing/raft/shipped-disk';
import { Violation } from '@streamline/testing/raft/violation';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { CommandCopies } from './command-copies';
import type { ClusterCounters } from './counters';
import type { ShippedCode } from './shipped-code';

/** What a caller waits where it does not say. */
const DEADLINE_MS = 30_000;
/** A connection over which nothing comes is tried again, up to so often. */
const TRIES_MAX = 25;
const TRY_AGAIN_MS = 200;
/** Chance at each try that it breaks instead, and that bytes of a call that nobody waits for any more are still sent. */
const BREAKS_CHANCE = 0.15;
const ZOMBIE_CHANCE = 0.3;

export type Service = 'controller' | 'membership';
const METHODS: Readonly<Record<Service, readonly BoundMethod[]>> = {
  controller: unaryMethodsOf(ControllerServiceDefinition),
  membership: unaryMethodsOf(MembershipServiceDefinition),
};

/** A process that serves and makes calls. */
export interface CallProcess {
  readonly nodeId: number;
  readonly clock: Clock;
  readonly hasEnded: boolean;
  /** Calls that it was sent and has not answered. */
  readonly serving: Set<OpenCall>;
  readonly ports: Readonly<Record<Service, object>>;
  /** At once, or once the process goes on. */
  unlessHeld(run: () => void): void;
  broken(error: unknown): void;
  /** For the trace. */
  tell(line: string | (() => string)): void;
}

/** Who listens at an address. */
export type CallEndpoint = CallProcess | 'refused' | 'silent';

export interface CallNetworkSurroundings {
  readonly events: EventQueue;
  readonly random: SeededRandom;
  readonly counters: ClusterCounters;
  readonly links: Network;
  readonly copies: CommandCopies;
  readonly PortError: ShippedCode['PortError'];
  /** Undefined where there is no such machine. */
  at(address: string): { readonly nodeId: number; readonly endpoint: CallEndpoint } | undefined;
}

/** A call on its way, over a connection that is kept up for as long as that makes sense. */
export class OpenCall {
  isOver = false;
  /** Once the callee is to know that nobody waits any more. */
  onCancelled: () => void = () => undefined;

  constructor(
    readonly from: CallProcess,
    readonly to: number,
    private readonly settle: (outcome: { readonly value: unknown } | { readonly error: Error }) => void,
    private readonly cleanUp: () => void,
  ) {}

  /** The process that made it goes on no more. */
  abandon(): void {
    this.cleanUp();
  }

  finish(outcome: { readonly value: unknown } | { readonly error: Error }): void {
    if (this.isOver) return;
    this.isOver = true;
    this.cleanUp();
    if (!this.from.hasEnded) this.from.unlessHeld(() => this.settle(outcome));
  }
}

/** Calls between the nodes, as gRPC carries them: encoded, over connections that stall, break and are refused. */
export class CallNetwork {
  /** Calls that a process made and that are not over. */
  readonly #made = new WeakMap<CallProcess, Set<OpenCall>>();

  constructor(private readonly all: CallNetworkSurroundings) {}

  portsOf(caller: CallProcess): PeerPorts {
    return {
      controllerAt: (address) => this.#port<ControllerPort>('controller', caller, address),
      askMembership: (address, ask) => ask(this.#port<MembershipPort>('membership', caller, address)),
    };
  }

  /** The process has ended: whoever waits for it finds its connection closed, unless the machine is without power. */
  ended(process: CallProcess, hasPower: boolean): void {
    for (const call of process.serving) {
      call.onCancelled();
      if (hasPower)
        this.#carry(process.nodeId, call.from.nodeId, call, () => this.#fail(call, 'unavailable', 'the connection was closed'));
    }
    process.serving.clear();
    this.release(process);
  }

  /** The process goes on no more. Signals that its calls listen to would keep it, and all of the simulation, in memory for ever. */
  release(process: CallProcess): void {
    for (const call of this.#madeBy(process)) call.abandon();
    this.#made.delete(process);
  }

  #madeBy(process: CallProcess): Set<OpenCall> {
    const made = this.#made.get(process) ?? new Set<OpenCall>();
    this.#made.set(process, made);
    return made;
  }

  #port<Port>(service: Service, caller: CallProcess, address: string): Port {
    const methods = METHODS[service].map((method): [string, unknown] => [
      method.key,
      (request: unknown, context: CallContext = {}) => this.#call(caller, address, service, method, request, context),
    ]);
    return Object.fromEntries(methods) as Port;
  }

  #call(
    caller: CallProcess,
    address: string,
    service: Service,
    method: BoundMethod,
    request: unknown,
    context: CallContext,
  ): Promise<unknown> {
    const { all } = this;
    const bytes = method.definition.requestSerialize(request);
    const target = all.at(address);
    all.counters.callsCarried += 1;
    if (service === 'controller') all.counters.forwards += 1;
    return new Promise((resolve, reject) => {
      const cancel = (): void => {
        all.counters.forwardsCancelled += 1;
        this.#fail(call, 'cancelled', 'the caller gave up');
        if (target !== undefined) this.#carry(caller.nodeId, target.nodeId, call, () => call.onCancelled());
      };
      const cancelDeadline = caller.clock.schedule(context.deadlineMs ?? DEADLINE_MS, () =>
        this.#fail(call, 'deadline', 'no answer'),
      );
      const call = new OpenCall(
        caller,
        target?.nodeId ?? 0,
        (outcome) => {
          caller.tell(() => {
            const answer = 'error' in outcome ? outcome.error.message : textOf(outcome.value);
            return `asked ${address} to ${method.key} ${textOf(request)}: ${answer}`;
          });
          if ('error' in outcome) reject(outcome.error);
          else resolve(outcome.value);
        },
        () => {
          cancelDeadline();
          context.signal?.removeEventListener('abort', cancel);
          made.delete(call);
        },
      );
      const made = this.#madeBy(caller);
      made.add(call);
      if (!caller.hasEnded) context.signal?.addEventListener('abort', cancel, { once: true });
      if (context.signal?.aborted === true) return cancel();
      // No such host: its name does not resolve.
      if (target === undefined)
        return void all.events.after(1, () => this.#fail(call, 'unavailable', 'its name does not resolve'));
      const copy = all.copies.begin(method.key, request);
      const arrive = (): void => this.#arrive(call, address, { service, method, bytes, context, copy });
      this.#carry(caller.nodeId, target.nodeId, call, arrive, copy.end);
    });
  }

  #arrive(call: OpenCall, address: string, sent: Sent): void {
    const target = this.all.at(address);
    const { counters, links } = this.all;
    if (target === undefined || typeof target.endpoint === 'string') {
      sent.copy.end();
      if (target?.endpoint === 'silent' || links.isCut(call.to, call.from.nodeId)) return;
      counters.callsRefused += 1;
      this.#fail(call, 'unavailable', 'connection refused');
      return;
    }
    const process = target.endpoint;
    if (call.isOver) counters.callsLate += 1;
    process.serving.add(call);
    const abort = new AbortController();
    // A process that stands still finds request and cancellation one after the other when it goes on.
    call.onCancelled = () => {
      if (process.hasEnded) sent.copy.end();
      abort.abort();
    };
    process.unlessHeld(() => this.#serve(process, call, abort.signal, sent));
  }

  #serve(process: CallProcess, call: OpenCall, signal: AbortSignal, { service, method, bytes, context, copy }: Sent): void {
    const { deadlineMs, hops = 0 } = context;
    const given = { signal, deadlineMs: deadlineMs ?? DEADLINE_MS, ...(hops > 0 && { hops }) };
    const { definition, key } = method;
    const handler: unknown = Reflect.get(process.ports[service], key);
    if (typeof handler !== 'function') throw new TypeError(`${service} has no ${key}`);
    const run = async (): Promise<unknown> => handler.call(process.ports[service], definition.requestDeserialize(bytes), given);
    run()
      .then((answer) => {
        const encoded = definition.responseSerialize(answer);
        this.#answer(process, call, copy.end, () => call.finish({ value: definition.responseDeserialize(encoded) }));
      })
      .catch((error: unknown) => {
        const { PortError } = this.all;
        // It is about to end.
        if (isDiskFault(error)) return this.#answer(process, call, copy.end, () => this.#fail(call, 'internal', String(error)));
        if (!(error instanceof PortError)) {
          process.broken(
            error instanceof Violation
              ? error
              : new Violation('ports', `${key} at node ${process.nodeId} fails with ${String(error)}`),
          );
          return;
        }
        this.#answer(process, call, copy.end, () => this.#fail(call, error.code, error.message));
      });
  }

  #answer(process: CallProcess, call: OpenCall, endCopy: () => void, deliver: () => void): void {
    endCopy();
    if (process.hasEnded) return;
    process.serving.delete(call);
    this.#carry(process.nodeId, call.from.nodeId, call, deliver);
  }

  /** Over a connection that is kept until the call is over, or longer; that breaks, or in the end gives up. */
  #carry(from: number, to: number, call: OpenCall, arrive: () => void, givenUp: () => void = () => undefined, tries = 0): void {
    const { events, random, links, counters } = this.all;
    const { delayMinMs, delayMaxMs, loss } = links.profile;
    events.after(delayMinMs + random.next() * (delayMaxMs - delayMinMs), () => {
      if (!links.isCut(from, to) && !random.chance(loss)) return arrive();
      counters.callsStalled += 1;
      if (tries >= TRIES_MAX || (call.isOver && !random.chance(ZOMBIE_CHANCE))) return givenUp();
      if (random.chance(BREAKS_CHANCE)) {
        counters.callsBroken += 1;
        givenUp();
        this.#fail(call, 'unavailable', 'the connection was closed');
        return;
      }
      events.after(random.next() * TRY_AGAIN_MS * (1 + tries), () => this.#carry(from, to, call, arrive, givenUp, tries + 1));
    });
  }

  #fail(call: OpenCall, code: PortErrorCode, message: string): void {
    call.finish({ error: new this.all.PortError(code, message) });
  }
}

function textOf(message: unknown): string {
  return JSON.stringify(message);
}

interface Sent {
  readonly service: Service;
  readonly method: BoundMethod;
  readonly bytes: Buffer;
  readonly context: CallContext;
  readonly copy: { readonly end: () => void };
}

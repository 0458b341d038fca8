import type {
  BrokerHeartbeatRequest,
  BrokerHeartbeatResponse,
  RegisterBrokerRequest,
  RegisterBrokerResponse,
} from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { ControllerPort } from '@streamline/wire/contracts/ports';

type Brokers = Pick<ControllerPort, 'registerBroker' | 'brokerHeartbeat'>;

/** The broker's side of a controller: answers what it is told to, by default that all is well. */
export class ScriptedController implements Brokers {
  readonly registrations: RegisterBrokerRequest[] = [];
  readonly heartbeats: BrokerHeartbeatRequest[] = [];
  /** Answers or failures for the next calls; then the defaults. */
  readonly nextRegistrations: (Partial<RegisterBrokerResponse> | Error)[] = [];
  readonly nextHeartbeats: (Partial<BrokerHeartbeatResponse> | Error)[] = [];
  metadataIndex = 0;
  private epoch = 40;

  registerBroker(request: RegisterBrokerRequest): Promise<RegisterBrokerResponse> {
    this.registrations.push(request);
    const next = this.nextRegistrations.shift();
    if (next instanceof Error) return Promise.reject(next);
    this.epoch += 1;
    return Promise.resolve({ error: undefined, brokerEpoch: this.epoch, metadataIndex: this.metadataIndex, ...next });
  }

  brokerHeartbeat(request: BrokerHeartbeatRequest): Promise<BrokerHeartbeatResponse> {
    this.heartbeats.push(request);
    const next = this.nextHeartbeats.shift();
    if (next instanceof Error) return Promise.reject(next);
    return Promise.resolve({ error: undefined, isFenced: false, shouldShutDown: request.wantShutdown, decidedIndex: 0, ...next });
  }

  /** As the port that a storage role is given: a broker calls nothing else of it. */
  asPort(): ControllerPort {
    return new Proxy(this as Brokers as ControllerPort, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== 'function') throw new Error(`a broker does not call ${String(name)}`);
        return method.bind(this) as unknown;
      },
    });
  }
}

/** An error as the controller answers it. */
export function refusal(errorCode: number, errorMessage = ''): { error: { errorCode: number; errorMessage: string } } {
  return { error: { errorCode, errorMessage } };
}

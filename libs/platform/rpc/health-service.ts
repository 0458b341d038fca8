import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import * as grpc from '@grpc/grpc-js';

/** As grpc.health.v1 numbers them. */
const ServingStatus = { SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const;
type ServingStatus = (typeof ServingStatus)[keyof typeof ServingStatus];

/** An object, since grpc-js takes an empty string for a request that did not come. */
interface HealthRequest {
  readonly service: string;
}

/** Watches at a time; more are refused. */
const WATCHES_MAX = 1_000;

const SERVICE = '/grpc.health.v1.Health';

/**
 * The standard health service (grpc.health.v1), for load balancers and orchestrators. It is written out here since the package for it
 * parses its .proto file at each start: a fifteenth of the time to the first answer, for three small messages.
 */
export class HealthService {
  private readonly statuses = new Map<string, ServingStatus>();
  private readonly watches = new Map<grpc.ServerWritableStream<HealthRequest, ServingStatus>, string>();

  /** @param services full names; none serves until `setServing` says so, nor does the listener as a whole (`''`) */
  constructor(services: readonly string[]) {
    for (const service of ['', ...services]) this.statuses.set(service, ServingStatus.NOT_SERVING);
  }

  setServing(serving: boolean, service: string): void {
    const status = serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
    this.statuses.set(service, status);
    for (const [call, watched] of this.watches) if (watched === service) call.write(status);
  }

  addToServer(server: grpc.Server): void {
    const check: grpc.handleUnaryCall<HealthRequest, ServingStatus> = (call, callback) => {
      const status = this.statuses.get(call.request.service);
      if (status !== undefined) callback(null, status);
      else callback({ code: grpc.status.NOT_FOUND, details: `there is no service ${call.request.service}` });
    };
    const list: grpc.handleUnaryCall<object, ReadonlyMap<string, ServingStatus>> = (_call, callback) =>
      callback(null, this.statuses);
    const watch: grpc.handleServerStreamingCall<HealthRequest, ServingStatus> = (call) => this.watch(call);
    server.addService({ check: CHECK, list: LIST, watch: WATCH }, { check, list, watch });
  }

  /** Tells the status now and each time it is set, until the caller leaves. */
  private watch(call: grpc.ServerWritableStream<HealthRequest, ServingStatus>): void {
    if (this.watches.size >= WATCHES_MAX) {
      call.emit('error', { code: grpc.status.RESOURCE_EXHAUSTED, details: `${WATCHES_MAX} watches are the most there can be` });
      return;
    }
    this.watches.set(call, call.request.service);
    for (const end of ['cancelled', 'close', 'error']) call.on(end, () => this.watches.delete(call));
    call.write(this.statuses.get(call.request.service) ?? ServingStatus.SERVICE_UNKNOWN);
  }
}

/** HealthCheckRequest: `string service = 1`. */
const REQUEST = {
  requestStream: false,
  requestSerialize: ({ service }: HealthRequest): Buffer => bytesOf(new BinaryWriter().uint32(10).string(service)),
  requestDeserialize: (bytes: Buffer): HealthRequest => {
    const reader = new BinaryReader(bytes);
    let service = '';
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1) service = reader.string();
      else reader.skip(type);
    }
    return { service };
  },
} as const;

/** HealthCheckResponse: `ServingStatus status = 1`. */
const RESPONSE = {
  responseSerialize: (status: ServingStatus): Buffer => bytesOf(statusMessage(status)),
  responseDeserialize: neverRead,
} as const;

const CHECK = { path: `${SERVICE}/Check`, ...REQUEST, ...RESPONSE, responseStream: false };
const WATCH = { path: `${SERVICE}/Watch`, ...REQUEST, ...RESPONSE, responseStream: true };

/** HealthListRequest: nothing. HealthListResponse: `map<string, HealthCheckResponse> statuses = 1`. */
const LIST = {
  path: `${SERVICE}/List`,
  requestStream: false,
  responseStream: false,
  requestSerialize: (): Buffer => Buffer.alloc(0),
  requestDeserialize: (): object => ({}),
  responseSerialize: (statuses: ReadonlyMap<string, ServingStatus>): Buffer => {
    const writer = new BinaryWriter();
    for (const [service, status] of statuses) {
      writer.uint32(10).fork().uint32(10).string(service).uint32(18).bytes(statusMessage(status).finish()).join();
    }
    return bytesOf(writer);
  },
  responseDeserialize: neverRead,
};

function statusMessage(status: ServingStatus): BinaryWriter {
  return new BinaryWriter().uint32(8).int32(status);
}

function bytesOf(writer: BinaryWriter): Buffer {
  return Buffer.from(writer.finish());
}

/** A method's definition has both directions; this end answers only. */
function neverRead(): never {
  throw new Error('this is the answering end of the health service');
}

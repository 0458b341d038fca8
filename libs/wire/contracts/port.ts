/** The part of a generated message that a transport needs. */
export interface MessageCodec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(input: Uint8Array): T;
}

/** The part of a generated method description that a binding needs. */
export interface MethodDefinition {
  readonly name: string;
  readonly requestType: MessageCodec<never>;
  readonly requestStream: boolean;
  readonly responseType: MessageCodec<unknown>;
  readonly responseStream: boolean;
}

/** What ts-proto generates for a `service` of a .proto file. */
export interface ServiceDefinition {
  readonly name: string;
  readonly fullName: string;
  readonly methods: Readonly<Record<string, unknown>>;
}

/** Accompanies every call through a port, whatever carries it. */
export interface CallContext {
  /** The caller waits no longer than this; absent: the binding's default. */
  readonly deadlineMs?: number;
  /** The caller no longer wants the answer. */
  readonly signal?: AbortSignal;
  /** Nodes that passed the call on; absent: none. */
  readonly hops?: number;
}

type MessageOf<Codec> = Codec extends { decode(input: Uint8Array): infer T } ? T : never;

/** A port's method: a promise for unary calls, an async iterable for server streams; client streams are bulk and not here. */
export type PortMethod<Method> = Method extends {
  readonly requestType: infer Request;
  readonly requestStream: false;
  readonly responseType: infer Response;
  readonly responseStream: infer Streams;
}
  ? Streams extends true
    ? (request: MessageOf<Request>, context?: CallContext) => AsyncIterable<MessageOf<Response>>
    : (request: MessageOf<Request>, context?: CallContext) => Promise<MessageOf<Response>>
  : never;

type ControlMethodNames<Methods> = {
  [Name in keyof Methods]: Methods[Name] extends { readonly requestStream: false } ? Name : never;
}[keyof Methods];

/**
 * The transport-free interface of a service: its methods without the bulk (client-streaming) ones. A role implements it
 * once; callers get it bound to a direct call in the same process and to gRPC across processes.
 */
export type PortOf<Definition extends ServiceDefinition> = {
  [Name in ControlMethodNames<Definition['methods']>]: PortMethod<Definition['methods'][Name]>;
};

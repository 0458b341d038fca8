import type { Fields, ReadOf, WriteOf } from './field';
import { Message, type AnyMessage } from './message';
import { parseVersions, type VersionRange, type Versions } from './versions';

/** One API of the protocol: a request and its response, which share their versions. */
export interface Api<Request extends Fields, Response extends Fields> {
  readonly key: number;
  /** As Kafka writes it: `Produce`, `OffsetForLeaderEpoch`. */
  readonly name: string;
  readonly versions: VersionRange;
  /** The versions that Kafka does not call unstable: the most that may be advertised. */
  readonly stableVersions: VersionRange;
  /** The first flexible version (KIP-482); Infinity when there is none. */
  readonly flexibleFrom: number;
  readonly request: Message<Request>;
  readonly response: Message<Response>;
}

/** An API whose messages are not known to the compiler: what tables of APIs hold. */
export interface AnyApi {
  readonly key: number;
  readonly name: string;
  readonly versions: VersionRange;
  readonly stableVersions: VersionRange;
  readonly flexibleFrom: number;
  readonly request: AnyMessage;
  readonly response: AnyMessage;
}

export interface ApiDefinition<Request extends Fields, Response extends Fields> {
  readonly key: number;
  readonly name: string;
  readonly versions: Versions;
  readonly flexible: Versions | 'none';
  /** Versions that Kafka 4.4 has but does not advertise by default. */
  readonly unstable?: Versions;
  readonly request: Request;
  readonly response: Response;
}

/** Defines an API. Nothing is compiled until a message of it is read or written. */
export function api<Request extends Fields, Response extends Fields>(
  definition: ApiDefinition<Request, Response>,
): Api<Request, Response> {
  const { key, name, versions, flexible, unstable } = definition;
  const request = new Message(`${name}Request`, versions, flexible, definition.request);
  const response = new Message(`${name}Response`, versions, flexible, definition.response);
  const { min, max } = request.versions;
  const stableMax = unstable === undefined ? max : parseVersions(unstable).min - 1;
  return {
    key,
    name,
    versions: request.versions,
    stableVersions: { min, max: stableMax },
    flexibleFrom: request.flexibleFrom,
    request,
    response,
  };
}

type FieldsOf<M> = M extends Message<infer F> ? F : never;

/** A request as it was read. */
export type RequestOf<A extends { readonly request: unknown }> = ReadOf<FieldsOf<A['request']>>;
/** A response as it was read. */
export type ResponseOf<A extends { readonly response: unknown }> = ReadOf<FieldsOf<A['response']>>;
/** A request to be written: fields with a default may be left out. */
export type RequestInput<A extends { readonly request: unknown }> = WriteOf<FieldsOf<A['request']>>;
/** A response to be written: fields with a default may be left out. */
export type ResponseInput<A extends { readonly response: unknown }> = WriteOf<FieldsOf<A['response']>>;

import { isIPv4, isIPv6 } from 'node:net';

/** Where something listens or is reached. `host` is a name, an IPv4 or an IPv6 address (without brackets). */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export type ParsedAddress = { readonly ok: true; readonly address: Address } | { readonly ok: false; readonly reason: string };

const HOST_LENGTH_MAX = 253;
/** RFC 1123 labels; underscores too, since container names have them. */
const HOST_NAME = /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?$/;
const DIGITS_AND_DOTS = /^[0-9.]+$/;

function refuse(reason: string): ParsedAddress {
  return { ok: false, reason };
}

function hostProblem(host: string): string | undefined {
  if (host === '') return 'the host is missing';
  if (DIGITS_AND_DOTS.test(host)) return isIPv4(host) ? undefined : `"${host}" is not an IPv4 address`;
  if (host.length > HOST_LENGTH_MAX || !HOST_NAME.test(host)) return `"${host}" is not a host name`;
  return undefined;
}

/** Reads `host:port`, `[ipv6]:port`; `portMin` 0 allows port 0, "any free one". Host names are not looked up. */
export function parseAddress(text: string, portMin: 0 | 1): ParsedAddress {
  if (/^[a-z]+:\/\//i.test(text)) return refuse('an address has no scheme: leave out everything up to "//"');
  if (isIPv6(text)) return refuse(`an IPv6 address goes in brackets and needs a port: [${text}]:9092`);
  const separator = text.lastIndexOf(':');
  if (separator < 0) return refuse('the port is missing');
  const portText = text.slice(separator + 1);
  if (!/^[0-9]{1,5}$/.test(portText)) return refuse(`"${portText}" is not a port`);
  const port = Number(portText);
  if (port > 65_535 || port < portMin) return refuse(`port ${port} is not between ${portMin} and 65535`);
  const hostText = text.slice(0, separator);
  if (hostText.startsWith('[')) {
    const host = hostText.slice(1, -1);
    if (!hostText.endsWith(']') || !isIPv6(host)) return refuse(`"${hostText}" is not an IPv6 address in brackets`);
    return { ok: true, address: { host, port } };
  }
  if (hostText.includes(':')) return refuse(`an IPv6 address goes in brackets: [${hostText}]:${port}`);
  const problem = hostProblem(hostText);
  return problem === undefined ? { ok: true, address: { host: hostText, port } } : refuse(problem);
}

/** The text that `parseAddress` reads. */
export function formatAddress(address: Address): string {
  return isIPv6(address.host) ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** True for the hosts that mean "every interface": good to bind to, of no use to a client. */
export function isWildcardHost(host: string): boolean {
  return host === '0.0.0.0' || (isIPv6(host) && /^[0:]+$/.test(host));
}

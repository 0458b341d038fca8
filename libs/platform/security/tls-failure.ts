import type { PeerCertificate } from 'node:tls';
import type { TlsSettings } from './tls-settings';

/** Why a connection did not come about; a label of the metric. */
export type TlsFailureReason =
  | 'plain_text'
  | 'tls_version'
  | 'no_certificate'
  | 'unknown_authority'
  | 'expired'
  | 'not_yet_valid'
  | 'wrong_purpose'
  | 'wrong_address'
  | 'hung_up'
  | 'timeout'
  | 'other';

export interface TlsFailure {
  readonly reason: TlsFailureReason;
  /** Ends the sentence "refused a connection from 10.0.0.3: ..." */
  readonly text: string;
}

/** Codes of OpenSSL and of Node, by what they tell of the peer. */
const REASONS: Readonly<Record<string, TlsFailureReason>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: 'plain_text',
  ERR_SSL_HTTP_REQUEST: 'plain_text',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'plain_text',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'tls_version',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'tls_version',
  UNABLE_TO_GET_ISSUER_CERT: 'no_certificate',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown_authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown_authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'unknown_authority',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'unknown_authority',
  CERT_SIGNATURE_FAILURE: 'unknown_authority',
  CERT_UNTRUSTED: 'unknown_authority',
  INVALID_CA: 'unknown_authority',
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not_yet_valid',
  INVALID_PURPOSE: 'wrong_purpose',
  ERR_TLS_CERT_ALTNAME_INVALID: 'wrong_address',
  ECONNRESET: 'hung_up',
  EPIPE: 'hung_up',
  ERR_TLS_HANDSHAKE_TIMEOUT: 'timeout',
};

export const HUNG_UP =
  'it hung up while or just after the connection was secured: it may well refuse the certificate of this node, its log says why';

/** The code that Node or OpenSSL gave an error, or that stands for it. */
function codeOf(error: unknown): string {
  if (typeof error === 'string') return error;
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

const NAME_LENGTH_MAX = 200;

/** What a certificate says of itself, which anybody may have written, so that it can stand in a line of the log. */
function shown(name: string | string[] | undefined): string {
  if (name === undefined) return 'without a name';
  return String(name)
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, NAME_LENGTH_MAX);
}

function describe(certificate: Partial<PeerCertificate> | undefined): string {
  const { subject, issuer } = certificate ?? {};
  if (subject === undefined || issuer === undefined) return 'its certificate';
  return `its certificate (${shown(subject.CN)}, issued by ${shown(issuer.CN)})`;
}

/** OpenSSL's words without the place in its source. */
function wordsOf(error: unknown): string {
  if (error instanceof Error && 'reason' in error && typeof error.reason === 'string') return error.reason;
  return error instanceof Error ? error.message.trim() : String(error);
}

/**
 * What a failed connection tells of the peer: `error` as Node gave it, or the code of a certificate that was not verified,
 * with that certificate where it is known.
 */
export function explainTlsFailure(
  error: unknown,
  settings: Pick<TlsSettings, 'minVersion'>,
  certificate?: Partial<PeerCertificate>,
): TlsFailure {
  const code = codeOf(error);
  const reason = REASONS[code] ?? 'other';
  return { reason, text: textOf(reason, error, settings, certificate) };
}

function textOf(
  reason: TlsFailureReason,
  error: unknown,
  { minVersion }: Pick<TlsSettings, 'minVersion'>,
  certificate: Partial<PeerCertificate> | undefined,
): string {
  const its = describe(certificate);
  switch (reason) {
    case 'plain_text':
      return 'it does not speak TLS: inter_broker_tls.enabled is probably false there';
    case 'tls_version':
      return `it and this node have no TLS version in common: this one takes ${minVersion} or newer (inter_broker_tls.min_version)`;
    case 'no_certificate':
      return 'it has no certificate: inter_broker_tls.verify_peer asks for one';
    case 'unknown_authority':
      return `${its} is not signed by an authority of inter_broker_tls.ca_cert_path`;
    case 'expired':
      return `${its}, or one that it is signed with, has expired${certificate?.valid_to === undefined ? '' : `: it is valid until ${certificate.valid_to}`}`;
    case 'not_yet_valid':
      return `${its}, or one that it is signed with, is not valid yet${certificate?.valid_from === undefined ? '' : `: it is valid from ${certificate.valid_from}`}`;
    case 'wrong_purpose':
      return `${its} is not for this use: it needs the extended key usages serverAuth and clientAuth`;
    case 'wrong_address':
      return `${its} is for ${certificate?.subjectaltname === undefined ? 'no address at all' : shown(certificate.subjectaltname)}, not for the address that was dialled`;
    case 'hung_up':
      return HUNG_UP;
    case 'timeout':
      return 'it did not complete the TLS handshake in time';
    case 'other':
      return `TLS failed: ${wordsOf(error)}`;
  }
}

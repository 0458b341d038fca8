import { counter, gauge, type MetricFamily } from '../observability/metric-family';
import type { TlsFailureCount } from './tls-failure-log';

export interface TlsFacts {
  /** The label of what differs by process: its roles. */
  readonly process: string;
  /** Undefined where there is no certificate, since connections are plain text. */
  readonly expiresAtMs?: number;
  readonly failures: readonly TlsFailureCount[];
}

export function tlsFamilies({ process, expiresAtMs, failures }: TlsFacts): MetricFamily[] {
  return [
    gauge(
      'streamline_inter_broker_certificate_expiry_timestamp_seconds',
      'When the certificate of this process expires, in seconds since 1970; absent without TLS between nodes',
      expiresAtMs === undefined ? [] : [{ labels: { process }, value: expiresAtMs / 1_000 }],
    ),
    counter(
      'streamline_inter_broker_tls_failures_total',
      'Connections between nodes that TLS refused, by side (accept, connect) and reason',
      failures.map(({ side, reason, count }) => ({ labels: { process, side, reason }, value: count })),
    ),
  ];
}

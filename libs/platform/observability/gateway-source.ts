import { latencyBoundsMs, type GatewayMetrics } from '@streamline/runtime/gateway/gateway-metrics';
import { errorName } from '@streamline/core/types/error-code';
import { counter, gauge, histogram, type MetricFamily, type MetricsSource } from './metric-family';

/** Figures of a gateway that are read at the moment of a scrape. */
export interface GatewayGauges {
  readonly connections: number;
  readonly requestBytesInFlight: number;
  readonly answerBytesUnsent: number;
  readonly fetchSessions: number;
  readonly fetchSessionPartitions: number;
  readonly fetchSessionEvictions: number;
}

const MS_PER_SECOND = 1_000;
const BOUNDS_SECONDS = latencyBoundsMs.map((boundMs) => boundMs / MS_PER_SECOND);

/** `apiName` names an API key as Kafka does ("Produce"); keys that it does not know are told as numbers. */
export function gatewaySource(
  metrics: GatewayMetrics,
  gauges: () => GatewayGauges,
  apiName: (apiKey: number) => string | undefined,
): MetricsSource {
  const name = (apiKey: number): string => apiName(apiKey) ?? String(apiKey);
  return { collect: () => [...requestFamilies(metrics, name), ...connectionFamilies(metrics, gauges())] };
}

function requestFamilies(metrics: GatewayMetrics, name: (apiKey: number) => string): MetricFamily[] {
  const apis = metrics.apis();
  const perApi = (pick: (api: (typeof apis)[number]) => number) =>
    apis.map((api) => ({ labels: { api: name(api.apiKey) }, value: pick(api) }));
  return [
    counter(
      'streamline_kafka_requests_total',
      'Requests answered, by API',
      perApi((api) => api.requests),
    ),
    counter(
      'streamline_kafka_request_failures_total',
      'Requests that failed as a whole, by API',
      perApi((api) => api.failures),
    ),
    histogram(
      'streamline_kafka_request_duration_seconds',
      'From the last byte of a request to its answer, long polls included, by API',
      apis.map((api) => ({
        labels: { api: name(api.apiKey) },
        bounds: BOUNDS_SECONDS,
        counts: api.latencyCounts,
        sum: api.latencySumMs / MS_PER_SECOND,
      })),
    ),
    counter(
      'streamline_kafka_errors_total',
      "Kafka's error codes in answers, by API and name",
      metrics.errors().map(({ apiKey, errorCode, count }) => ({
        labels: { api: name(apiKey), error: errorName(errorCode) },
        value: count,
      })),
    ),
  ];
}

function connectionFamilies(metrics: GatewayMetrics, now: GatewayGauges): MetricFamily[] {
  const closes = [...metrics.closes()].map(([reason, value]) => ({ labels: { reason }, value }));
  return [
    counter('streamline_kafka_received_bytes_total', 'Bytes read from clients', metrics.bytesIn),
    counter('streamline_kafka_sent_bytes_total', 'Bytes written to clients', metrics.bytesOut),
    counter('streamline_kafka_connections_accepted_total', 'Connections taken', metrics.connectionsAccepted),
    counter('streamline_kafka_connections_refused_total', 'Connections turned away by a limit', metrics.connectionsRefused),
    counter('streamline_kafka_connections_closed_total', 'Connections closed, by reason', closes),
    counter(
      'streamline_kafka_read_pauses_total',
      'Times that a connection was not read because a bound was reached',
      metrics.pauses,
    ),
    counter('streamline_kafka_read_paused_seconds_total', 'How long connections were not read', metrics.pausedMs / MS_PER_SECOND),
    gauge('streamline_kafka_connections', 'Open connections', now.connections),
    gauge('streamline_kafka_request_bytes_in_flight', 'Bytes of requests that are not answered yet', now.requestBytesInFlight),
    gauge('streamline_kafka_answer_bytes_unsent', 'Bytes of answers that clients have not taken yet', now.answerBytesUnsent),
    gauge('streamline_kafka_fetch_sessions', 'Fetch sessions', now.fetchSessions),
    gauge('streamline_kafka_fetch_session_partitions', 'Partitions in fetch sessions', now.fetchSessionPartitions),
    counter(
      'streamline_kafka_fetch_session_evictions_total',
      'Fetch sessions that made room for others',
      now.fetchSessionEvictions,
    ),
  ];
}

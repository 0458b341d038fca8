/** API keys are below this in Kafka 4.4 (0 to 94); others are counted under the last one. */
const API_SLOTS = 128;

/** Bucket i holds latencies up to 2^i / 8 ms: 0.125 ms to 4.5 hours. */
const LATENCY_BUCKETS = 28;

/** One API's figures since the start. */
export interface ApiMetrics {
  readonly apiKey: number;
  readonly requests: number;
  /** Requests whose handler failed as a whole. */
  readonly failures: number;
  readonly latencySumMs: number;
  /** Counts up to and including each bound of {@link latencyBoundsMs}, not cumulative. */
  readonly latencyCounts: readonly number[];
}

/** Upper bounds of the latency buckets in ms. */
export const latencyBoundsMs: readonly number[] = Array.from({ length: LATENCY_BUCKETS }, (_, i) => 2 ** i / 8);

/** Plain counters for the hot path; whoever exports metrics reads them when scraped. */
export class GatewayMetrics {
  bytesIn = 0;
  bytesOut = 0;
  connectionsOpen = 0;
  connectionsAccepted = 0;
  /** Connections turned away by a limit. */
  connectionsRefused = 0;
  /** Times that a connection was not read because a bound was reached, and for how long altogether. */
  pauses = 0;
  pausedMs = 0;
  private readonly requestCounts = new Float64Array(API_SLOTS);
  private readonly failureCounts = new Float64Array(API_SLOTS);
  private readonly latencySums = new Float64Array(API_SLOTS);
  private readonly latencyCounts = new Float64Array(API_SLOTS * LATENCY_BUCKETS);
  private readonly errorCounts = new Map<string, number>();
  private readonly closeCounts = new Map<string, number>();

  /** A request was answered, or is never answered (acks=0) and done. */
  requestDone(apiKey: number, elapsedMs: number): void {
    const slot = slotOf(apiKey);
    this.requestCounts[slot] = (this.requestCounts[slot] ?? 0) + 1;
    this.latencySums[slot] = (this.latencySums[slot] ?? 0) + elapsedMs;
    const bucket = elapsedMs <= 0.125 ? 0 : Math.min(LATENCY_BUCKETS - 1, 32 - Math.clz32(Math.ceil(elapsedMs * 8) - 1));
    const index = slot * LATENCY_BUCKETS + bucket;
    this.latencyCounts[index] = (this.latencyCounts[index] ?? 0) + 1;
  }

  requestFailed(apiKey: number): void {
    const slot = slotOf(apiKey);
    this.failureCounts[slot] = (this.failureCounts[slot] ?? 0) + 1;
  }

  /** An error code in an answer; `apiKey` and `errorCode` are from closed sets. */
  errorAnswered(apiKey: number, errorCode: number): void {
    const key = `${slotOf(apiKey)}:${errorCode}`;
    this.errorCounts.set(key, (this.errorCounts.get(key) ?? 0) + 1);
  }

  /** `kind` is one of the fixed kinds of close reasons. */
  connectionClosed(kind: string): void {
    this.closeCounts.set(kind, (this.closeCounts.get(kind) ?? 0) + 1);
  }

  /** Figures of every API that was called. */
  apis(): ApiMetrics[] {
    const all: ApiMetrics[] = [];
    for (let apiKey = 0; apiKey < API_SLOTS; apiKey++) {
      const requests = this.requestCounts[apiKey] ?? 0;
      const failures = this.failureCounts[apiKey] ?? 0;
      if (requests === 0 && failures === 0) continue;
      all.push({
        apiKey,
        requests,
        failures,
        latencySumMs: this.latencySums[apiKey] ?? 0,
        latencyCounts: [...this.latencyCounts.subarray(apiKey * LATENCY_BUCKETS, (apiKey + 1) * LATENCY_BUCKETS)],
      });
    }
    return all;
  }

  /** Error codes that stood in answers. */
  errors(): { readonly apiKey: number; readonly errorCode: number; readonly count: number }[] {
    return [...this.errorCounts].map(([key, count]) => {
      const [apiKey, errorCode] = key.split(':');
      return { apiKey: Number(apiKey), errorCode: Number(errorCode), count };
    });
  }

  /** Closed connections by kind of reason. */
  closes(): ReadonlyMap<string, number> {
    return this.closeCounts;
  }
}

function slotOf(apiKey: number): number {
  return apiKey >= 0 && apiKey < API_SLOTS - 1 ? apiKey : API_SLOTS - 1;
}

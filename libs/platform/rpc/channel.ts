import * as grpc from '@grpc/grpc-js';
import { FLOW_CONTROL_WINDOW_BYTES } from './inter-broker-server';

const MESSAGE_BYTES_MAX = 128 * 1024 * 1024;

/** A connection to one peer's inter-broker port; reconnects by itself with back-off and jitter. */
export function openChannel(address: string, credentials?: grpc.ChannelCredentials): grpc.Client {
  return new grpc.Client(address, credentials ?? grpc.credentials.createInsecure(), {
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.min_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2_000,
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
  });
}

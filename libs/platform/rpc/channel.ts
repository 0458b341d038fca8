import * as grpc from '@grpc/grpc-js';
import { FLOW_CONTROL_WINDOW_BYTES } from './inter-broker-server';
import { MESSAGE_BYTES_MAX } from './service-definition';

/** A connection to one peer's inter-broker port (`InterBrokerSecurity` has the credentials); reconnects by itself with back-off and jitter. */
export function openChannel(address: string, credentials: grpc.ChannelCredentials): grpc.Client {
  return new grpc.Client(address, credentials, {
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.min_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2_000,
    // A name that leads elsewhere by now is looked up again; by default only after half a minute.
    'grpc.dns_min_time_between_resolutions_ms': 1_000,
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
  });
}

/** A connection for one question: it is dialled now, whatever earlier ones to the address came to. */
export function openFreshChannel(address: string, credentials: grpc.ChannelCredentials): grpc.Client {
  return new grpc.Client(address, credentials, { 'grpc.use_local_subchannel_pool': 1, 'grpc.enable_retries': 0 });
}

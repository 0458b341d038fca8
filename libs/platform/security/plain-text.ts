import * as grpc from '@grpc/grpc-js';
import { createServer, type AddressInfo } from 'node:net';
import { ConnectionSorter, listenOn } from './connection-sorter';
import type { InterBrokerSecurity } from './inter-broker-security';
import { tlsFamilies } from './tls-metrics';

/** Connections that anybody can make, read and change: for networks where only the cluster is. */
export const PLAIN_TEXT: InterBrokerSecurity = {
  channelCredentials: grpc.credentials.createInsecure(),
  secureLink: (connection) => Promise.resolve(connection),
  listen: async (server, host, port, takeLink) => {
    const sorter = new ConnectionSorter(server, takeLink);
    const listener = createServer({ noDelay: true }, (socket) => sorter.sort(socket));
    await listenOn(listener, host, port);
    return {
      port: (listener.address() as AddressInfo).port,
      close: () => {
        listener.close();
        sorter.close();
      },
    };
  },
  collect: () => tlsFamilies({ process: '', failures: [] }),
  close: () => undefined,
};

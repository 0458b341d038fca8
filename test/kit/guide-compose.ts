/** Clustering guide, "Docker Compose (3-Node)", word for word. */
export const GUIDE_COMPOSE = `
version: '3.8'
services:
  streamline-1:
    image: streamlinelabs/streamline:latest
    command: >
      --cluster-node-id 1
      --advertised-addr streamline-1:9092
      --inter-broker-addr 0.0.0.0:9093
    ports:
      - "9092:9092"
      - "9094:9094"

  streamline-2:
    image: streamlinelabs/streamline:latest
    command: >
      --cluster-node-id 2
      --advertised-addr streamline-2:9092
      --inter-broker-addr 0.0.0.0:9093
      --seed-nodes streamline-1:9093
    ports:
      - "9192:9092"
      - "9194:9094"

  streamline-3:
    image: streamlinelabs/streamline:latest
    command: >
      --cluster-node-id 3
      --advertised-addr streamline-3:9092
      --inter-broker-addr 0.0.0.0:9093
      --seed-nodes streamline-1:9093
    ports:
      - "9292:9092"
      - "9294:9094"
`;

import type { AdvertisedApi } from '../context/request-context';
import { produceHandler } from './00-produce';
import { fetchHandler } from './01-fetch';
import { listOffsetsHandler } from './02-list-offsets';
import { metadataHandler } from './03-metadata';
import { findCoordinatorHandler } from './10-find-coordinator';
import { apiVersionsHandler } from './18-api-versions';
import { createTopicsHandler } from './19-create-topics';
import type { Handler } from './handler';

/** Every API that is served, by ascending key. What is not here is not advertised. */
export const handlers: readonly Handler[] = [
  produceHandler,
  fetchHandler,
  listOffsetsHandler,
  metadataHandler,
  findCoordinatorHandler,
  apiVersionsHandler,
  createTopicsHandler,
];

/** What ApiVersions answers. */
export function advertise(served: readonly Handler[]): AdvertisedApi[] {
  return served.map(({ apiKey, advertisedMin, versions }) => ({ apiKey, minVersion: advertisedMin, maxVersion: versions.max }));
}

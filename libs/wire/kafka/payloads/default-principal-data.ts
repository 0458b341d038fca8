import { bool, string } from '../schema/field';
import { Message } from '../schema/message';

/** A principal that a broker hands on with a forwarded request (KIP-590). */
export const defaultPrincipalData = new Message('DefaultPrincipalData', '0', '0+', {
  type: string(),
  name: string(),
  tokenAuthenticated: bool(),
});

/** A request that says something wrong; `field` names what of it. */
export class RequestError extends Error {
  override readonly name = 'RequestError';

  constructor(
    /** 400 where it cannot be read at all, 422 where a field is wrong. */
    readonly status: 400 | 422,
    readonly field: string,
    message: string,
  ) {
    super(message);
  }
}

/** Nest's tokens; decorator metadata is not emitted here. */
export const ADMIN_SERVICE = Symbol('AdminService');
export const ADMIN_LOGGER = Symbol('AdminLogger');
export const API_VERSION = Symbol('ApiVersion');

import type { LoggerService } from '@nestjs/common';
import type { Logger } from 'pino';

/** Lets Nest write to the node's log. What Nest calls "log" is told at level debug: it is of use to developers only. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...context: unknown[]): void {
    this.write('debug', message, context);
  }

  fatal(message: unknown, ...context: unknown[]): void {
    this.write('fatal', message, context);
  }

  error(message: unknown, ...context: unknown[]): void {
    this.write('error', message, context);
  }

  warn(message: unknown, ...context: unknown[]): void {
    this.write('warn', message, context);
  }

  debug(message: unknown, ...context: unknown[]): void {
    this.write('debug', message, context);
  }

  verbose(message: unknown, ...context: unknown[]): void {
    this.write('trace', message, context);
  }

  /** Nest's last argument is the name of what speaks; an error's stack may stand before it. */
  private write(level: 'trace' | 'debug' | 'warn' | 'error' | 'fatal', message: unknown, context: readonly unknown[]): void {
    const component = context.at(-1);
    const fields = {
      ...(typeof component === 'string' ? { component } : {}),
      ...(context.length > 1 && typeof context[0] === 'string' ? { stack: context[0] } : {}),
    };
    if (message instanceof Error) this.logger[level]({ ...fields, err: message }, message.message);
    else this.logger[level](fields, typeof message === 'string' ? message : JSON.stringify(message));
  }
}

import { Controller, Get, Header, Inject, Res } from '@nestjs/common';
import { CONTENT_TYPE } from '@streamline/platform/observability/exposition';
import type { FastifyReply } from 'fastify';
import type { AdminService } from '../admin.service';
import type { HealthBody, InfoBody } from '../bodies';
import type { OpenApiDocument } from '../openapi/document';
import { ADMIN_SERVICE, API_VERSION } from './tokens';

const UNAVAILABLE = 503;

@Controller()
export class NodeController {
  constructor(
    @Inject(ADMIN_SERVICE) private readonly admin: AdminService,
    @Inject(API_VERSION) private readonly version: string,
  ) {}

  @Get('health/live')
  live(): { readonly live: true } {
    return { live: true };
  }

  @Get('health/ready')
  ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthBody> {
    return this.health(reply);
  }

  @Get('health')
  async health(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthBody> {
    const body = await this.admin.health();
    if (!body.ready) reply.status(UNAVAILABLE);
    return body;
  }

  @Get('metrics')
  @Header('content-type', CONTENT_TYPE)
  metrics(): Promise<string> {
    return this.admin.metrics();
  }

  @Get('info')
  info(): InfoBody {
    return this.admin.info();
  }

  /** The document and its page are made when somebody reads them. */
  @Get('docs')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
  async docs(): Promise<string> {
    const { docsHtml } = await import('../openapi/pages');
    return docsHtml(await this.openApi());
  }

  @Get('docs/openapi.json')
  async openApi(): Promise<OpenApiDocument> {
    const { openApiDocument } = await import('../openapi/document');
    return openApiDocument(this.version);
  }
}

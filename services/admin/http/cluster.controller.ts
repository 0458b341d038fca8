import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { AdminService } from '../admin.service';
import type { ClusterStatusBody, MembersBody } from '../bodies';
import { ADMIN_SERVICE } from './tokens';

const UNAVAILABLE = 503;

@Controller('api/v1/cluster')
export class ClusterController {
  constructor(@Inject(ADMIN_SERVICE) private readonly admin: AdminService) {}

  @Get('status')
  async status(@Res({ passthrough: true }) reply: FastifyReply): Promise<ClusterStatusBody> {
    const body = await this.admin.clusterStatus();
    if (!body.healthy) reply.status(UNAVAILABLE);
    return body;
  }

  @Get('members')
  members(): Promise<MembersBody> {
    return this.admin.members();
  }
}

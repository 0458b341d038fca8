import { Body, Controller, Delete, Get, Inject, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { AdminService } from '../admin.service';
import type { ClusterStatusBody, MembersBody } from '../bodies';
import { addMemberRequest, transferLeadershipRequest } from '../membership-bodies';
import {
  addAnswer,
  addingFailed,
  type HttpAnswer,
  removeAnswer,
  removingFailed,
  transferAnswer,
  transferFailed,
} from './membership-answers';
import { readBody, readNodeId, readSwitches } from './request-fields';
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

  @Post('members')
  async addMember(
    @Body() body: unknown,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<unknown> {
    const { node_id: nodeId, raft_addr: raftAddr, promote_to_voter: promoteToVoter } = readBody(addMemberRequest, body);
    const request = { nodeId, raftAddr, promoteToVoter, ...readSwitches(['forward'], query) };
    const answer = this.admin.membership.addMember(request);
    return send(reply, await answer.then((given) => addAnswer(request, given), addingFailed));
  }

  @Delete('members/:nodeId')
  async removeMember(
    @Param('nodeId') nodeId: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<unknown> {
    const request = { nodeId: readNodeId(nodeId), ...readSwitches(['force', 'forward'], query) };
    const answer = this.admin.membership.removeMember(request);
    return send(reply, await answer.then((given) => removeAnswer(request, given), removingFailed));
  }

  @Post('leader')
  async transferLeadership(
    @Body() body: unknown,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<unknown> {
    const { node_id: nodeId = 0 } = readBody(transferLeadershipRequest, body);
    const request = { nodeId, ...readSwitches(['forward'], query) };
    const answer = this.admin.membership.transferLeadership(request);
    return send(reply, await answer.then((given) => transferAnswer(request, given), transferFailed));
  }
}

function send(reply: FastifyReply, { status, body }: HttpAnswer<unknown>): unknown {
  reply.status(status);
  return body;
}

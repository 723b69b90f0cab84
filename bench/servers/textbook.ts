// type-graphql reads it when the first decorator runs.
import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { ApolloServer, HeaderMap } from '@apollo/server';
import { PrismaPg } from '@prisma/adapter-pg';
import express from 'express';
import { jwtVerify } from 'jose';
import {
  Arg,
  buildSchemaSync,
  Ctx,
  Field,
  ID,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Query,
  Resolver,
} from 'type-graphql';
import { builtIn } from '../built.ts';
import { answerParent, readArgument } from '../child-main.ts';

export interface TextbookOptions {
  readonly dist: string;
  readonly databaseUrl: string;
  readonly secret: string;
}

// A server as the tutorials of its libraries describe it. The server inserts one row per event, verifies a
// token per request, and uses Express. Its tables, tokens, document and answer are the same as ours.
const { dist, databaseUrl, secret } = readArgument<TextbookOptions>();
const { PrismaClient } = await builtIn(dist).prisma();
const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl }) });

interface Context {
  readonly userId: string;
  readonly tenantId: string;
}

@InputType()
class RecordPageViewInput {
  @Field(() => String)
  name!: string;

  @Field(() => String, { nullable: true })
  path?: string;

  @Field(() => ID, { nullable: true })
  subjectId?: string;
}

@InputType()
class RecordPageViewsInput {
  @Field(() => [RecordPageViewInput])
  views!: RecordPageViewInput[];
}

@ObjectType()
class UserError {
  @Field(() => String)
  code!: string;

  @Field(() => String)
  message!: string;

  @Field(() => [String], { nullable: true })
  path!: string[] | null;
}

@ObjectType()
class RecordPageViewPayload {
  @Field(() => ID)
  eventId!: string;

  @Field(() => [UserError])
  userErrors!: UserError[];
}

@ObjectType()
class RecordPageViewsPayload {
  @Field(() => Int)
  accepted!: number;

  @Field(() => [ID])
  eventIds!: string[];

  @Field(() => [UserError])
  userErrors!: UserError[];
}

@Resolver()
class PageViewResolver {
  @Query(() => Int)
  pageViewCount() {
    return prisma.pageView.count();
  }

  @Mutation(() => RecordPageViewPayload)
  async recordPageView(
    @Arg('input', () => RecordPageViewInput) input: RecordPageViewInput,
    @Ctx() context: Context,
  ): Promise<RecordPageViewPayload> {
    const view = await prisma.pageView.create({ data: rowOf(input, context) });
    return { eventId: view.id, userErrors: [] };
  }

  @Mutation(() => RecordPageViewsPayload)
  async recordPageViews(
    @Arg('input', () => RecordPageViewsInput) input: RecordPageViewsInput,
    @Ctx() context: Context,
  ): Promise<RecordPageViewsPayload> {
    const data = input.views.map((view) => rowOf(view, context));
    const { count } = await prisma.pageView.createMany({ data });
    return { accepted: count, eventIds: data.map(({ id }) => id), userErrors: [] };
  }
}

function rowOf({ name, path, subjectId }: RecordPageViewInput, { tenantId, userId }: Context) {
  const now = new Date();
  const row = { tenantId, userId, id: randomUUID(), name, occurredAt: now, receivedAt: now };
  return { ...row, path: path ?? null, subjectId: subjectId ?? null };
}

const apollo = new ApolloServer<Context>({ schema: buildSchemaSync({ resolvers: [PageViewResolver] }) });
await apollo.start();

const key = new TextEncoder().encode(secret);

const app = express();
// Does the same as `expressMiddleware` (apollo-server-integrations, express5).
app.use('/graphql', express.json(), async (request, response, next) => {
  try {
    const headers = new HeaderMap();
    for (const [name, value] of Object.entries(request.headers)) {
      if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
    }
    const {
      status,
      headers: answered,
      body,
    } = await apollo.executeHTTPGraphQLRequest({
      httpGraphQLRequest: {
        method: (request.method ?? '').toUpperCase(),
        headers,
        search: new URL(request.url ?? '', 'http://localhost').search,
        body: request.body,
      },
      async context() {
        const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
        const { payload } = await jwtVerify(token, key);
        return { userId: String(payload.sub), tenantId: String(payload['tenant']) };
      },
    });
    for (const [name, value] of answered) response.setHeader(name, value);
    response.statusCode = status ?? 200;
    if (body.kind === 'complete') response.send(body.string);
  } catch (error) {
    next(error);
  }
});

const server = app.listen(0, '127.0.0.1', () =>
  answerParent({ port: (server.address() as AddressInfo).port }),
);

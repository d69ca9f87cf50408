import 'reflect-metadata'
import { Body, Controller, HttpCode, Inject, Module, Post } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ClientsModule, Transport } from '@nestjs/microservices'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { lastValueFrom } from 'rxjs'
import { plaintextBrokers } from '../connection.js'
import { answerWith } from '../rounds.js'

// NestJS on its Fastify adapter: POST /user/register emits with its Kafka client, awaited, and stores nothing.

interface User { email: string, username: string }

answerWith<{ brokers: string, topic: string }>(async ({ brokers, topic }) => {
  @Controller('user')
  class Users {
    readonly #client
    constructor (@Inject('KAFKA') client: { emit: (topic: string, message: object) => unknown }) { this.#client = client }

    @Post('register')
    @HttpCode(201)
    async register (@Body() user: User) {
      await lastValueFrom(this.#client.emit(topic, { key: user.username, value: user }))
      return { message: 'User successfully created!', user }
    }
  }

  @Module({
    imports: [ClientsModule.register([{
      name: 'KAFKA',
      transport: Transport.KAFKA,
      options: { client: { clientId: 'bench', brokers: plaintextBrokers(brokers) }, producerOnlyMode: true, send: { acks: -1 } }
    }])],
    controllers: [Users]
  })
  class App {}

  const app = await NestFactory.create(App, new FastifyAdapter(), { logger: false })
  await app.listen(0, '127.0.0.1')
  return { url: await app.getUrl(), pid: process.pid }
})

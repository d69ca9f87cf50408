import 'reflect-metadata'
import { Body, Controller, HttpCode, Inject, Module, Post } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ClientsModule, Transport } from '@nestjs/microservices'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import { lastValueFrom } from 'rxjs'
import { answerWith } from '../rounds.js'

// NestJS on its Fastify adapter: POST /user/register emits with its Kafka client, awaited, and stores nothing. Decorators
// are called as functions, since this file is not compiled.

answerWith(async ({ brokers, topic }) => {
  class Users {
    /** @param {any} client */
    constructor (client) { this.client = client }

    /** @param {{ email: string, username: string }} user */
    async register (user) {
      await lastValueFrom(this.client.emit(topic, { key: user.username, value: user }))
      return { message: 'User successfully created!', user }
    }
  }
  Inject('KAFKA')(Users, undefined, 0)
  Body()(Users.prototype, 'register', 0)
  const method = /** @type {PropertyDescriptor} */ (Object.getOwnPropertyDescriptor(Users.prototype, 'register'))
  Post('register')(Users.prototype, 'register', method)
  HttpCode(201)(Users.prototype, 'register', method)
  Controller('user')(Users)

  class App {}
  Module({
    imports: [ClientsModule.register([{
      name: 'KAFKA',
      transport: Transport.KAFKA,
      options: { client: { clientId: 'bench', brokers: brokers.split(',') }, producerOnlyMode: true, send: { acks: -1 } }
    }])],
    controllers: [Users]
  })(App)

  const app = await NestFactory.create(App, new FastifyAdapter(), { logger: false })
  await app.listen(0, '127.0.0.1')
  return { url: await app.getUrl(), pid: process.pid }
})

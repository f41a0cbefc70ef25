// npm's aedes with mutual TLS and an access list: what Hedgerow is measured beside.
//
//   node aedes_broker.cjs NODE_MODULES_PARENT SITE PORT
'use strict'
const fs = require('node:fs')
const path = require('node:path')
const tls = require('node:tls')
const { createRequire } = require('node:module')

const [folder, site, port] = process.argv.slice(2)
const { Aedes } = createRequire(path.resolve(folder, 'package.json'))('aedes')
const rights = JSON.parse(fs.readFileSync(path.join(site, 'access.json'), 'utf8'))
const read = (name) => fs.readFileSync(path.join(site, name))

const matches = (filter, topic) => {
  const wanted = filter.split('/')
  const got = topic.split('/')
  for (let n = 0; n < wanted.length; n++) {
    if (wanted[n] === '#') return true
    if (n >= got.length || (wanted[n] !== '+' && wanted[n] !== got[n])) return false
  }
  return wanted.length === got.length
}
const may = (client, right, topic) =>
  (rights[client.device]?.[right] ?? []).some((filter) => matches(filter, topic))

const main = async () => {
  const broker = await Aedes.createBroker({
    concurrency: 100,
    authenticate: (client, _user, _password, done) => {
      client.device = client.conn.getPeerCertificate().subject.CN
      done(null, client.device === client.id)
    },
    authorizePublish: (client, packet, done) =>
      done(client && !may(client, 'write', packet.topic) ? new Error('no row') : null),
    authorizeForward: (client, packet) => (may(client, 'read', packet.topic) ? packet : null)
  })
  const server = tls.createServer(
    {
      key: read('server.private.key'),
      cert: read('server.cert.pem'),
      ca: read('device.ca.pem'),
      requestCert: true,
      rejectUnauthorized: true
    },
    broker.handle
  )
  server.on('secureConnection', (socket) => socket.setNoDelay(true))
  server.listen(Number(port), '127.0.0.1')
}

process.on('SIGTERM', () => process.exit(0))
main()

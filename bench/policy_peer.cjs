// How fast @cloud-copilot/iam-simulate decides: the work is a JSON file, the answer one line of JSON.
//
//   node policy_peer.cjs FOLDER FILE     (FOLDER holds node_modules)
'use strict'
const fs = require('node:fs')
const path = require('node:path')
const { createRequire } = require('node:module')

const load = createRequire(path.resolve(process.argv[2], 'package.json'))
const { runUnsafeSimulation } = load('@cloud-copilot/iam-simulate')
const work = JSON.parse(fs.readFileSync(process.argv[3], 'utf8'))

const identityPolicies = work.documents.map((policy, n) => ({ name: `policy-${n}`, policy }))
const simulation = ({ action, resource }) => ({
  request: {
    principal: work.principal,
    action,
    resource: { resource, accountId: work.account },
    contextVariables: work.context,
  },
  identityPolicies,
  serviceControlPolicies: [],
  resourceControlPolicies: [],
})

let best = Infinity
let allowed = []
for (const round of work.rounds) {
  const simulations = round.map(simulation)
  const before = process.cpuUsage()
  allowed = simulations.map((one) => runUnsafeSimulation(one, {}) === 'Allowed')
  const { user, system } = process.cpuUsage(before)
  best = Math.min(best, (user + system) / 1e6)
}
process.stdout.write(JSON.stringify({ seconds: best, allowed }))

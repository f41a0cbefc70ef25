// Puts cases to @cloud-copilot/iam-simulate: one JSON text a line in, one verdict a line out.
//
//   node judge.cjs FOLDER     (FOLDER holds node_modules)
//
// A case is a `Simulation` of that package; the verdict is Allowed, ExplicitlyDenied,
// ImplicitlyDenied, or a word and a colon with what came in the way. Session, endpoint and trust
// policies are judged by the package's slower way only, which checks its input and leaves out keys
// that it does not know.
'use strict'
const path = require('node:path')
const readline = require('node:readline')
const { createRequire } = require('node:module')

const load = createRequire(path.resolve(process.argv[2], 'package.json'))
const { runSimulation, runUnsafeSimulation } = load('@cloud-copilot/iam-simulate')

const CAREFUL = ['sessionPolicy', 'vpcEndpointPolicies', 'resourcePolicy']

async function judge(simulation) {
  if (!CAREFUL.some((field) => field in simulation)) return runUnsafeSimulation(simulation, {})
  const answer = await runSimulation(simulation, {})
  if (answer.resultType === 'error') return `Refused: ${JSON.stringify(answer.errors)}`
  const ignored = answer.result.ignoredContextKeys
  return ignored.length === 0 ? answer.overallResult : `Ignored: ${ignored}`
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const verdict = await judge(JSON.parse(line)).catch((error) => `Failed: ${error.message}`)
    process.stdout.write(`${verdict.replaceAll('\n', ' ')}\n`)
  }
}

main()

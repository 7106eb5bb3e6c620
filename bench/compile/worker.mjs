// Compiles one graph on one device in a process of its own, and prints how long it took. DEBUG=1 says the stages.

const started = performance.now() - process.uptime() * 1000;
const [graph, deviceName] = process.argv.slice(2);
const brisc = await import("../../dist/index.js");
const GRAPHS = await import("./graphs.mjs");
const loaded = performance.now();

const said = [];
console.error = (...words) => said.push(words.join(" "));
brisc.setDefaultDevice(deviceName);
const device = await brisc.getDevice(deviceName);
const { inputs, step } = GRAPHS[graph](brisc);
await brisc.Tensor.realize(inputs);
said.length = 0;

let building = 0;
const captured = brisc.jit(() => {
  const start = performance.now();
  const result = step();
  building += performance.now() - start;
  return result;
});
const ready = performance.now();
const result = await captured();
await device.idle();
const called = performance.now();
await result.data();
const read = performance.now();
const stages = {};
let kernels = 0;
for (const line of said) {
  const plan = /^brisc: (\d+) kernels? for/.exec(line);
  if (plan === null) continue;
  kernels += Number(plan[1]);
  for (const [, stage, ms] of line.matchAll(/(\w+) ([\d.]+) ms/g))
    stages[stage] = (stages[stage] ?? 0) + Number(ms);
}
// Calls with everything known.
let replay = Number.POSITIVE_INFINITY;
for (let i = 0; i < 3; i++) {
  const start = performance.now();
  (await captured()).dispose();
  await device.idle();
  replay = Math.min(replay, performance.now() - start);
}
console.log(
  JSON.stringify({
    import: loaded - started,
    build: building,
    stages,
    kernels,
    call: called - ready,
    replay,
    process: read - started,
  }),
);
process.exit(0);

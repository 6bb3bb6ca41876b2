// Restate's side of engine_vs_restate.py: prints one line of JSON.
//
// node restate_side.mjs MODULES INGRESS ADMIN PORT EXECUTIONS JOBS_EACH CHAIN
//
// A handler of its TypeScript SDK makes as many `ctx.run` steps as it is asked for. The executions are sent over the ingress, as
// many at once as there are, and each answer is its result.
import { createRequire } from "node:module";
import { Agent, request } from "node:http";
import { once } from "node:events";

// The SDK asks for Node 22; this is all that it misses in Node 20.
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

const [modules, ingress, admin, port, executions, each, chain] = process.argv.slice(2);
const restate = createRequire(`${modules}/`)("@restatedev/restate-sdk");

const counting = restate.service({
  name: "counting",
  handlers: {
    count: async (ctx, length) => {
      let n = 0;
      for (let step = 0; step < length; step++) {
        const before = n;
        n = await ctx.run("add-one", () => before + 1);
      }
      return n;
    },
  },
});

const agent = new Agent({ keepAlive: true, maxSockets: 1000 });

async function post(url, value) {
  const sent = request(url, { method: "POST", agent, headers: { "content-type": "application/json" } });
  sent.end(JSON.stringify(value));
  const [answer] = await once(sent, "response");
  let text = "";
  for await (const part of answer) text += part;
  if (answer.statusCode >= 300) throw new Error(`${url}: ${answer.statusCode} ${text}`);
  return JSON.parse(text);
}

async function measure(count, length) {
  const begin = performance.now();
  const results = await Promise.all(Array.from({ length: count }, () => post(`${ingress}/counting/count`, length)));
  const seconds = (performance.now() - begin) / 1000;
  if (results.some((result) => result !== length)) throw new Error("a result is wrong");
  return seconds;
}

await restate.serve({ services: [counting], port: Number(port) });
await post(`${admin}/deployments`, { uri: `http://127.0.0.1:${port}` });
for (let number = 0; number < 20; number++) await measure(1, 1);
const found = { wide: await measure(Number(executions), Number(each)), deep: await measure(1, Number(chain)) };
console.log(JSON.stringify(found));
process.exit(0);

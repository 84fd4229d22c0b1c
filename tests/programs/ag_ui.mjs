// What AG-UI's client does with a running agent: `node ag_ui.mjs URL TOKEN`, in a folder with `@ag-ui/client`.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { HttpAgent } from "@ag-ui/client";

const [url, token] = process.argv.slice(2);

function client(options = {}) {
  return new HttpAgent({ url: `${url}/ag-ui`, headers: { Authorization: `Bearer ${token}` }, ...options });
}

async function run(agent, parameters = {}, onEvent = () => {}) {
  const types = [];
  await agent.runAgent(parameters, {
    onEvent({ event }) {
      types.push(event.type);
      onEvent(event);
    },
  });
  return types;
}

const say = (agent, content) => agent.addMessage({ id: randomUUID(), role: "user", content });
const last = (agent) => agent.messages.at(-1);

const agent = client();
say(agent, "My name is Ada.");
const types = await run(agent);
assert.deepEqual([types[0], types.at(-1)], ["RUN_STARTED", "RUN_FINISHED"]);
say(agent, "Who am I?");
await run(agent);
assert.match(last(agent).content, /My name is Ada\./);

// The tools of the example run in the service: the client has the call and its result as messages.
say(agent, "Note: buy tea");
await run(agent);
const roles = agent.messages.slice(-4).map((message) => message.role);
assert.deepEqual(roles, ["user", "assistant", "tool", "assistant"]);
assert.equal(agent.messages.at(-2).toolCallId, agent.messages.at(-3).toolCalls[0].id);

// A client that loses its run has a part of the text; it repeats the run, and has the whole text once.
say(agent, "wait 1 seconds");
const runId = randomUUID();
const before = agent.messages.length;
await run(agent, { runId }, (event) => {
  if (event.type === "TEXT_MESSAGE_CONTENT") agent.abortRun();
});
assert.equal(agent.messages.length, before + 1);
const part = last(agent);
const again = await run(agent, { runId });
assert.deepEqual(again.slice(0, 2), ["RUN_STARTED", "MESSAGES_SNAPSHOT"]);
assert.equal(agent.messages.length, before + 1);
assert.equal(last(agent).id, part.id);
assert.equal(last(agent).content.match(/of our conversation/g).length, 1);

// A call that needs an approval is an interrupt, which the next run answers.
say(agent, 'call wipe {"name": "tea"}');
await run(agent);
const [interrupt] = agent.pendingInterrupts;
assert.equal(interrupt.toolCallId, last(agent).toolCalls[0].id);
const resume = [{ interruptId: interrupt.id, status: "resolved", payload: { approved: true } }];
await run(agent, { resume });
assert.deepEqual(agent.pendingInterrupts, []);
assert.deepEqual([agent.messages.at(-2).toolCallId, agent.messages.at(-2).content], [interrupt.toolCallId, "Wiped tea."]);
assert.equal(last(agent).role, "assistant");

const tool = { name: "confirm", description: "Ask", parameters: {} };
say(agent, "Hello");
await assert.rejects(run(agent, { tools: [tool] }), (error) => error.status === 400 && /tools/.test(error.payload));
await assert.rejects(run(client({ headers: {}, initialMessages: agent.messages })), (error) => error.status === 401);

console.log("done");

// What OpenAI's SDK for Node.js does with a running agent: `node clients.mjs URL TOKEN MODEL`, in a folder with `openai`.
import assert from "node:assert/strict";
import OpenAI from "openai";

const [url, token, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: token, maxRetries: 0 });
const ended = new Set(["completed", "failed", "cancelled", "incomplete"]);

const models = await client.models.list();
assert.deepEqual(models.data.map((each) => each.id), [model]);

const first = await client.responses.create({ model, input: "My name is Ada." });
assert.equal(first.status, "completed");
const next = await client.responses.create({ model, input: "Who am I?", previous_response_id: first.id });
assert.match(next.output_text, /My name is Ada\./);

const seen = [];
for await (const event of await client.responses.create({ model, input: "Note: buy tea", stream: true })) {
  seen.push(event);
}
const whole = seen.at(-1).response;
assert.equal(seen.at(-1).type, "response.completed");
assert.equal(whole.output[0].type, "mcp_call");
const text = (events) => events.map((each) => (each.type === "response.output_text.delta" ? each.delta : "")).join("");
for (const [place, event] of seen.entries()) {
  const rest = [];
  for await (const each of await client.responses.retrieve(whole.id, {
    stream: true,
    starting_after: event.sequence_number,
  })) {
    rest.push(each);
  }
  assert.equal(text(seen.slice(0, place + 1)) + text(rest), text(seen));
}

const final = await client.responses.stream({ model, input: "Hello" }).finalResponse();
assert.equal(final.status, "completed");

const queued = await client.responses.create({ model, input: "Hello", background: true });
let polled = queued;
while (!ended.has(polled.status)) {
  polled = await client.responses.retrieve(queued.id);
}
assert.equal(polled.status, "completed");

const slow = await client.responses.create({ model, input: "wait 60 seconds", background: true });
assert.equal((await client.responses.cancel(slow.id)).status, "cancelled");
await client.responses.delete(slow.id);
await assert.rejects(client.responses.retrieve(slow.id), OpenAI.NotFoundError);

const conversation = await client.conversations.create({ metadata: { topic: "tea" } });
await client.responses.create({ model, input: "I like tea", conversation: conversation.id });
const items = [];
for await (const item of client.conversations.items.list(conversation.id, { order: "asc", limit: 1 })) {
  items.push(item.role);
}
assert.deepEqual(items, ["user", "assistant"]);

const messages = [{ role: "user", content: "Hello" }];
const completion = await client.chat.completions.create({ model, messages });
const chunks = [];
for await (const chunk of await client.chat.completions.create({
  model,
  messages,
  stream: true,
  stream_options: { include_usage: true },
})) {
  chunks.push(chunk);
}
assert.equal(
  chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""),
  completion.choices[0].message.content,
);
assert.deepEqual(chunks.at(-1).usage, completion.usage);

await assert.rejects(
  client.responses.create({ model, input: "Hello", temperature: 0.1 }),
  (error) => error instanceof OpenAI.BadRequestError && error.param === "temperature",
);
const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: "wrong", maxRetries: 0 });
await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);

// A busy conversation is tried again until it is free.
const busy = await client.responses.create({ model, input: "wait 1 seconds", background: true });
const patient = new OpenAI({ baseURL: `${url}/v1`, apiKey: token, maxRetries: 10 });
const after = await patient.responses.create({ model, input: "Hello", previous_response_id: busy.id });
assert.equal(after.status, "completed");
console.log("done");

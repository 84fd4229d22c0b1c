import assert from "node:assert/strict";
import { test } from "node:test";

import { ConnectionLost, Problem, unwrap } from "../dist/index.js";
import { client, failure, proxy } from "./agent.js";

const UNAVAILABLE = { status: 503, headers: { "Retry-After": "1" } };

test("a message is answered, and its turn is in the history", async () => {
  const agent = client();
  const session = await agent.createSession();
  const turn = await agent.send(session, "Hello");
  assert.equal(turn.status, "succeeded");
  assert.match(turn.response ?? "", /You said: "Hello"/);
  const { history } = await unwrap(
    agent.api.GET("/chat/sessions/{session_id}/history", { params: { path: { session_id: session } } }),
  );
  assert.deepEqual(
    history.map(({ turn: number, response }) => [number, response]),
    [[1, turn.response]],
  );
});

test("an answer fits the schema of its message", async () => {
  const agent = client();
  const outputSchema = { type: "object", properties: { sky: { enum: ["clear", "grey"] } }, required: ["sky"] };
  const turn = await agent.send(await agent.createSession(), "How is the weather?", { outputSchema });
  assert.deepEqual(turn.output, { sky: "clear" });
  const events = [];
  for await (const event of agent.stream(await agent.createSession(), "And now?", { outputSchema })) events.push(event);
  const last = events.at(-1);
  assert.deepEqual(last?.event === "turn.finished" && last.data.output, { sky: "clear" });
});

test("a message has the files that were uploaded", async () => {
  const agent = client();
  const session = await agent.createSession();
  const file = await agent.upload("words.txt", new TextEncoder().encode("Plain words."));
  const turn = await agent.send(session, "What is this?", { files: [file] });
  assert.deepEqual(
    turn.parts.map(({ file_id, media_type }) => [file_id, media_type]),
    [[file, "text/plain"]],
  );
});

test("a worker answers in the background", async () => {
  const agent = client();
  const session = await agent.createSession();
  const { turn, status } = await agent.send(session, "Hello", { background: true });
  assert.ok(["queued", "running", "succeeded"].includes(status));
  const events = [];
  for await (const { event } of agent.follow(session, turn)) events.push(event);
  assert.equal(events.at(-1), "turn.finished");
});

test("a message whose answer was lost is sent again, and is one turn", async (t) => {
  const { url, requests } = await proxy(t, (number) => (number === 0 ? { lose: true } : undefined));
  const session = await client().createSession();
  const turn = await client(url).send(session, "Once");
  assert.equal(turn.turn, 1);
  assert.equal(requests.length, 2);
  assert.equal(new Set(requests.map((request) => request.headers["idempotency-key"])).size, 1);
  assert.equal((await client().send(session, "Twice")).turn, 2);
});

test("an answer that breaks off is asked for again", async (t) => {
  const { url, requests } = await proxy(t, (number) => (number === 0 ? { cutAfter: 5 } : undefined));
  assert.equal((await client(url).send(await client().createSession(), "Hello")).turn, 1);
  assert.equal(requests.length, 2);
});

test("the client waits as long as Retry-After says", async (t) => {
  const began: number[] = [];
  const { url } = await proxy(t, (number) => {
    began.push(performance.now());
    return number === 0 ? { answer: UNAVAILABLE } : undefined;
  });
  await unwrap(client(url).api.GET("/chat/sessions"));
  assert.ok(began[1]! - began[0]! >= 1000);
});

test("Retry-After may be a date, and one that is too far is an error at once", async (t) => {
  const tomorrow = new Date(Date.now() + 86_400_000).toUTCString();
  const { url, requests } = await proxy(t, () => ({ answer: { status: 503, headers: { "Retry-After": tomorrow } } }));
  const error = await failure(() => client(url).api.GET("/chat/sessions"));
  assert.ok(error instanceof Problem);
  assert.ok(Math.abs((error.retryAfter ?? 0) - 86_400) < 60);
  assert.equal(requests.length, 1);
});

test("a request that is not safe to repeat is not repeated", async (t) => {
  const { url, requests } = await proxy(t, () => ({ lose: true }));
  assert.ok((await failure(() => client(url).createSession())) instanceof ConnectionLost);
  assert.equal(requests.length, 1);
});

test("a refused request is repeated, since nothing was done", async (t) => {
  const body = JSON.stringify({ type: "urn:problem:rate-limited", title: "Too many requests." });
  const { url } = await proxy(t, (number) => (number === 0 ? { answer: { status: 429, body } } : undefined));
  assert.match(await client(url).createSession(), /^[0-9a-f-]{36}$/);
});

test("the client gives up after some failures in a row", async (t) => {
  const { url, requests } = await proxy(t, () => ({ lose: true }));
  const error = await failure(() => client(url, { retries: 2, firstPause: 1 }).api.GET("/chat/sessions"));
  assert.ok(error instanceof ConnectionLost);
  assert.ok(error.cause instanceof Error);
  assert.equal(requests.length, 3);
});

test("a problem document is a typed error", async () => {
  const unknown = "00000000-0000-4000-8000-000000000000";
  const error = await failure(() => client().send(unknown, "Hello"));
  assert.ok(error instanceof Problem);
  assert.equal(error.kind, "session-not-found");
  assert.equal(error.status, 404);
  assert.equal(error.message, "There is no such session.");
  const refused = await failure(() => client(undefined, { token: () => "wrong" }).createSession());
  assert.ok(refused instanceof Problem && refused.kind === "unauthenticated");
});

test("a turn that failed stays failed, and is not asked for again", async (t) => {
  const failed = { type: "urn:problem:model-unavailable", title: "No model.", instance: "/chat/sessions/1/turns/1" };
  const { url, requests } = await proxy(t, () => ({ answer: { status: 502, body: JSON.stringify(failed) } }));
  const error = await failure(() => client(url).send("1", "Hello"));
  assert.ok(error instanceof Problem && error.instance === failed.instance);
  assert.equal(requests.length, 1);
});

test("the page of a proxy is a problem, too", async (t) => {
  const { url } = await proxy(t, () => ({ answer: { status: 403, body: "<h1>Forbidden</h1>" } }));
  const error = await failure(() => client(url).api.GET("/chat/sessions"));
  assert.ok(error instanceof Problem);
  assert.deepEqual([error.kind, error.message], ["about:blank", "The service answered 403."]);
});

test("an answer of another shape is an error", async (t) => {
  const { url } = await proxy(t, () => ({ answer: { status: 201, body: '{"session_id": 7}' } }));
  const error = await failure(() => client(url).createSession());
  assert.ok(error instanceof Error && error.name === "InvalidAnswer");
});

test("aborting ends the waiting", async (t) => {
  const { url } = await proxy(t, () => ({ answer: { status: 503, headers: { "Retry-After": "50" } } }));
  const ending = new AbortController();
  const asked = failure(() => client(url).api.GET("/chat/sessions", { signal: ending.signal }));
  setTimeout(() => ending.abort(new Error("enough")), 50);
  assert.equal(((await asked) as Error).message, "enough");
});

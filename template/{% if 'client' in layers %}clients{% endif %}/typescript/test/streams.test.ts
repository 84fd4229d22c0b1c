import assert from "node:assert/strict";
import { test } from "node:test";

import { ConnectionLost, Problem, TurnText, type TurnEvent } from "../dist/index.js";
import { all, call, client, failure, joined, proxy } from "./agent.js";

function finished(events: TurnEvent[]) {
  const last = events.at(-1);
  assert.ok(last?.event === "turn.finished");
  return last.data;
}

test("a stream has typed events, and their texts are the response", async () => {
  const agent = client();
  const text = new TurnText();
  const events = [];
  for await (const event of agent.stream(await agent.createSession(), "Hello")) {
    text.add(event);
    events.push(event);
    // @ts-expect-error - only some events have a text
    void event.data.text;
    if (event.event === "text.delta") event.data.text satisfies string;
  }
  assert.deepEqual(
    joined(events).map(({ event }) => event),
    ["turn.started", "step.started", "text.delta", "step.finished", "turn.finished"],
  );
  assert.equal(text.text, finished(events).response);
  assert.deepEqual([...text.steps.values()], [text.text]);
});

test("a stream whose connection is lost anywhere has no gap and no repetition", async (t) => {
  const agent = client();
  const message = "Remember that the office closes at six.";
  const whole = joined(await all(agent.stream(await agent.createSession(), message)));
  for (const cutAfter of [10, 90, 180, 290, 450, 700, 1100]) {
    const { url, requests } = await proxy(t, (number) => (number < 2 ? { cutAfter } : undefined));
    const found = joined(await all(client(url).stream(await agent.createSession(), message)));
    const cut = `cut after ${cutAfter} bytes of ${Math.min(2, requests.length)} connections`;
    assert.deepEqual(found.map(comparable), whole.map(comparable), cut);
    const continued = requests.filter((request) => request.method === "GET");
    assert.ok(continued.every((request) => request.headers["last-event-id"]), cut);
  }
});

/** An event without what differs between two turns: ids and numbers. */
function comparable(event: TurnEvent): string {
  return JSON.stringify(event).replace(/"call_id":"[^"]*"|\d+/g, "…");
}

test("a stream that was lost before its first event is one turn", async (t) => {
  const { url, requests } = await proxy(t, (number) => (number === 0 ? { lose: true } : undefined));
  const session = await client().createSession();
  const events = await all(client(url).stream(session, "Hello"));
  assert.equal(finished(events).turn, 1);
  assert.equal(requests.length, 2);
});

test("a silent connection is opened again", async (t) => {
  const { url, requests } = await proxy(t, (number) => (number === 0 ? { silent: true } : undefined));
  const events = await all(client(url, { silence: 300 }).stream(await client().createSession(), "Hello"));
  assert.equal(finished(events).status, "succeeded");
  assert.equal(requests.length, 2);
});

test("a stream that never brings anything is given up, and can be continued", async (t) => {
  const { url } = await proxy(t, (number) => (number === 0 ? { cutAfter: 200 } : { lose: true }));
  const session = await client().createSession();
  const seen: TurnEvent[] = [];
  const error = await failure(async () => {
    for await (const event of client(url, { retries: 2, firstPause: 1 }).stream(session, "Hello")) seen.push(event);
  });
  assert.ok(error instanceof ConnectionLost && error.turn === 1 && error.lastEventId !== undefined);
  const rest = await all(client().follow(session, error.turn, { after: error.lastEventId }));
  const whole = await all(client().follow(session, error.turn));
  assert.deepEqual(joined([...seen, ...rest]), joined(whole));
});

test("a problem ends a stream only until the service is back", async (t) => {
  const problem = { type: "urn:problem:service-unavailable", title: "The database is down.", status: 503 };
  const before = `event: problem\ndata: ${JSON.stringify(problem)}\nretry: 10\n\n`;
  const { url, requests } = await proxy(t, (number) => (number === 0 ? { before } : undefined));
  const events = await all(client(url).stream(await client().createSession(), "Hello"));
  assert.equal(finished(events).status, "succeeded");
  assert.equal(requests.length, 2);
  const dead = await proxy(t, () => ({ before }));
  await assert.rejects(
    all(client(dead.url, { retries: 1 }).stream(await client().createSession(), "Hello")),
    (error) => error instanceof Problem && error.kind === "service-unavailable",
  );
});

test("an event of a later release is passed over", async (t) => {
  const before = "event: turn.praised\nid: 1-0\ndata: {}\n\n";
  const { url } = await proxy(t, (number) => (number === 0 ? { before } : undefined));
  const events = await all(client(url).stream(await client().createSession(), "Hello"));
  assert.equal(finished(events).status, "succeeded");
  assert.equal(events[0]?.event, "turn.started");
});

test("an event without its fields is an error", async (t) => {
  const before = 'event: text.delta\nid: 1-0\ndata: {"step": "one"}\n\n';
  const { url } = await proxy(t, () => ({ before }));
  await assert.rejects(all(client(url).stream(await client().createSession(), "Hello")), { name: "InvalidAnswer" });
});

test("a message that the session cannot take is an error at once", async () => {
  const agent = client();
  await assert.rejects(
    all(agent.stream(await agent.createSession(), " ")),
    (error) => error instanceof Problem && error.kind === "invalid-request",
  );
});

test("a decision continues the stream", async (t) => {
  const agent = client();
  const session = await agent.createSession();
  const asked: string[] = [];
  const events: TurnEvent[] = [];
  for await (const event of agent.stream(session, call("wipe", { name: "the disk" }))) {
    events.push(event);
    if (event.event === "approval.required") {
      asked.push(event.data.name);
      await agent.decide(session, 1, event.data.call_id, true);
    }
  }
  if (asked.length === 0) {
    t.skip("this agent has no tool `wipe` that asks for approval");
    return;
  }
  assert.deepEqual(asked, ["wipe"]);
  assert.ok(events.some(({ event, data }) => event === "tool.returned" && data.content === "Wiped the disk."));
  assert.equal(finished(events).status, "succeeded");
});

test("breaking off ends the reading, and cancelling the turn", async () => {
  const agent = client();
  const session = await agent.createSession();
  for await (const { event } of agent.stream(session, "wait 30 seconds")) if (event === "text.delta") break;
  assert.equal((await agent.cancel(session, 1)).status, "cancelled");
  assert.equal(finished(await all(agent.follow(session, 1))).status, "cancelled");
});

test("a signal ends a stream", async () => {
  const agent = client();
  const session = await agent.createSession();
  const ending = new AbortController();
  await assert.rejects(
    async () => {
      for await (const { event } of agent.stream(session, "wait 30 seconds", { signal: ending.signal })) {
        if (event === "text.delta") ending.abort(new Error("enough"));
      }
    },
    { message: "enough" },
  );
  await agent.cancel(session, 1);
});

/** What happens when a process resumes a turn: the service repeats the unfinished step, or rebuilds every event. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { type TurnEvent, TurnText } from "../dist/index.js";
import { Position } from "../dist/streams.js";
import { all, TOKEN, URL_OF_AGENT } from "./agent.js";

const started = (attempt: number): TurnEvent => ({ event: "turn.started", data: { turn: 1, attempt } });
const begins = (step: number): TurnEvent => ({ event: "step.started", data: { step } });
const piece = (step: number, text: string): TurnEvent => ({ event: "text.delta", data: { step, text } });
const ends = (step: number, text: string): TurnEvent => ({ event: "step.finished", data: { step, text } });

test("a step that starts again voids the pieces received so far", () => {
  const text = new TurnText();
  for (const event of [begins(1), piece(1, "Hel"), begins(1), piece(1, "Good "), piece(1, "day")]) text.add(event);
  assert.equal(text.text, "Good day");
});

test("a finished step that is repeated is passed over, and an unfinished one is not", () => {
  const position = new Position();
  const first = [started(1), begins(1), piece(1, "One"), ends(1, "One"), begins(2), piece(2, "Tw")];
  const again = [started(1), started(2), begins(1), piece(1, "One"), ends(1, "One"), begins(2), piece(2, "Two")];
  assert.ok(first.every((event) => position.admits(event)));
  assert.deepEqual(
    again.filter((event) => position.admits(event)),
    [started(2), begins(2), piece(2, "Two")],
  );
  assert.equal(position.turn, 1);
});

test("the bundle for browsers is one file, and talks to the agent", async () => {
  const bundle = await readFile(new URL("../dist/browser.js", import.meta.url), "utf-8");
  // A module at such an address cannot import others.
  const { AgentClient } = (await import(
    `data:text/javascript;base64,${Buffer.from(bundle).toString("base64")}`
  )) as typeof import("../dist/index.js");
  const agent = new AgentClient({ baseUrl: URL_OF_AGENT, token: TOKEN });
  const events = await all(agent.stream(await agent.createSession(), "Hello"));
  assert.equal(events.at(-1)?.event, "turn.finished");
});

/** The running agent that the tests talk to, and a proxy in front of it that fails as networks do. */
import { createServer, type IncomingMessage, request as send, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

import { AgentClient, type Options, type TurnEvent } from "../dist/index.js";

function needed(name: string): string {
  const value = process.env[name];
  if (value) return value;
  throw new Error(`${name} is not set: AGENT_URL is the address of a running agent, AGENT_TOKEN a token of it.`);
}

export const URL_OF_AGENT = needed("AGENT_URL").replace(/\/+$/, "");
export const TOKEN = needed("AGENT_TOKEN");

/** A client that does not pause for long. */
export function client(baseUrl = URL_OF_AGENT, options: Partial<Options> = {}): AgentClient {
  return new AgentClient({ baseUrl, token: TOKEN, firstPause: 20, ...options });
}

/** What the proxy does to a request: answer it itself, or pass it on and cut or lose the answer. */
export interface Fault {
  /** Answer this, and do not pass the request on. */
  answer?: { status: number; headers?: Record<string, string>; body?: string };
  /** Pass the request on, and drop the connection before the answer. */
  lose?: boolean;
  /** Drop the connection after so many bytes of the body. */
  cutAfter?: number;
  /** Send this before the body. */
  before?: string;
  /** Send nothing after the head of the answer. */
  silent?: boolean;
}

export interface Proxy {
  url: string;
  /** The method, path and headers of each request. */
  requests: IncomingMessage[];
}

/** Start a proxy; `fault` says what happens to the request of a number, from 0. */
export async function proxy(t: TestContext, fault: (number: number) => Fault | undefined): Promise<Proxy> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => pass(request, response, fault(requests.push(request) - 1) ?? {}));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

function pass(request: IncomingMessage, response: ServerResponse, fault: Fault): void {
  if (fault.answer) {
    response.writeHead(fault.answer.status, fault.answer.headers).end(fault.answer.body);
    return;
  }
  const upstream = send(URL_OF_AGENT + request.url, { method: request.method ?? "GET", headers: request.headers });
  request.pipe(upstream);
  response.on("close", () => upstream.destroy());
  upstream.on("error", () => response.destroy());
  upstream.on("response", (answer) => {
    if (fault.lose) {
      answer.resume().on("end", () => response.destroy());
      return;
    }
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    if (fault.silent) return;
    if (fault.before) response.write(fault.before);
    let left = fault.cutAfter ?? Infinity;
    answer.on("data", (chunk: Buffer) => {
      const part = chunk.subarray(0, left);
      left -= part.length;
      response.write(part, () => left <= 0 && response.destroy());
    });
    answer.on("end", () => left > 0 && response.end());
  });
}

/** Collect all events of a stream. */
export async function all(events: AsyncIterable<TurnEvent>): Promise<TurnEvent[]> {
  const found: TurnEvent[] = [];
  for await (const event of events) found.push(event);
  return found;
}

/** The events without what a repeated `step.started` voids, and with the pieces of each text joined. */
export function joined(events: TurnEvent[]): TurnEvent[] {
  const found: TurnEvent[] = [];
  for (const { event, data } of events) {
    if (event === "step.started") {
      const first = found.findIndex((other) => "step" in other.data && other.data.step === data.step);
      if (first >= 0) found.splice(first);
    }
    const last = found.at(-1);
    if (event === "text.delta" && last?.event === "text.delta") last.data.text += data.text;
    else found.push(structuredClone({ event, data }) as TurnEvent);
  }
  return found;
}

/** What an action throws. */
export async function failure(action: () => Promise<unknown>): Promise<unknown> {
  try {
    await action();
  } catch (error) {
    return error;
  }
  throw new Error("It succeeded.");
}

/** The message that makes the offline model call a tool. */
export function call(tool: string, values: Record<string, string>): string {
  return `call ${tool} ${JSON.stringify(values)}`;
}

import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { chooseBuild } from "../../host/builds.ts";
import { EqmError } from "../../host/errors.ts";
import { load } from "../../host/index.ts";
import { smallFile } from "../support/small-model.ts";

const answers: Readonly<Record<string, (response: ServerResponse) => void>> = {
  "/model.eqm": (response) => response.end(smallFile()),
  "/page": (response) => response.setHeader("content-type", "text/html; charset=utf-8").end("<!doctype html>"),
  "/cut": (response) => {
    response.setHeader("content-length", "5000").write("EQM1");
    setTimeout(() => response.destroy(), 20);
  },
  "/slow": (response) => void response.write("EQM1"),
};
let server: Server;
let base: string;

beforeAll(async () => {
  server = createServer((request, response) =>
    (answers[request.url!] ?? ((missing) => missing.writeHead(404, "Not Found").end()))(response),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function thrown(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error instanceof EqmError ? { name: error.name, code: error.code, message: error.message } : error;
  }
  throw new Error("nothing was thrown");
}

it("loads from bytes, a buffer, a view, shared memory, a response, a URL and an address", async () => {
  const file = smallFile();
  const larger = new Uint8Array(file.length + 20);
  larger.set(file, 7);
  const shared = new Uint8Array(new SharedArrayBuffer(file.length));
  shared.set(file);
  const sources = [
    file,
    Buffer.from(file),
    file.buffer,
    larger.subarray(7, 7 + file.length),
    shared,
    await fetch(`${base}/model.eqm`),
    new URL(`${base}/model.eqm`),
    `${base}/model.eqm`,
  ];
  for (const source of sources) {
    using model = await load(source);
    expect(model.run({ x: new Int8Array(6) })["y"]).toEqual(new Int8Array(6).fill(-1));
  }
});

it("leaves the caller's bytes alone and does not look at them again", async () => {
  const file = smallFile();
  using model = await load(file);
  expect(file).toEqual(smallFile());
  file.fill(0);
  expect(model.run({ x: new Int8Array(6) })["y"]).toEqual(new Int8Array(6).fill(-1));
});

it("says what the server said instead", async () => {
  expect(await thrown(load(`${base}/nothing`))).toEqual({
    name: "LoadError",
    code: "http-status",
    message: `${base}/nothing: the server answers 404 Not Found`,
  });
  expect(await thrown(load(`${base}/page`))).toEqual({
    name: "LoadError",
    code: "html-instead",
    message: `${base}/page is a web page (text/html; charset=utf-8), not a .eqm: the address is wrong, or the server answers every address with its start page.`,
  });
  expect(await thrown(load(`${base}/cut`))).toMatchObject({
    name: "LoadError",
    code: "fetch-failed",
    message: expect.stringContaining(`${base}/cut broke off`) as string,
  });
  expect(await thrown(load("http://127.0.0.1:1/"))).toMatchObject({
    name: "LoadError",
    code: "fetch-failed",
    message: expect.stringContaining("http://127.0.0.1:1/ cannot be fetched") as string,
  });
});

it("asks for the bytes of a file: address", async () => {
  const address = "file:///somewhere/model.eqm";
  const message = `${address} is a file: read it first, as in load(await readFile(new URL(…))) with readFile of node:fs/promises.`;
  expect(await thrown(load(address))).toEqual({ name: "LoadError", code: "file-url", message });
  expect(await thrown(load(new URL(address)))).toEqual({ name: "LoadError", code: "file-url", message });
});

it("refuses what is no source, and options that mean nothing", async () => {
  expect(await thrown(load(7 as unknown as string))).toEqual({
    name: "InputError",
    code: "bad-source",
    message: "A model is loaded from a Uint8Array, an ArrayBuffer, a Response, a URL or an address as text.",
  });
  expect(await thrown(load(smallFile(), { threads: 0 }))).toEqual({
    name: "InputError",
    code: "bad-option",
    message: "threads is 0, not a whole number from 1 to 64.",
  });
});

it("ends with the signal's reason, before, while and after fetching", async () => {
  const reason = new Error("enough");
  expect(await thrown(load(smallFile(), { signal: AbortSignal.abort(reason) }))).toBe(reason);
  const controller = new AbortController();
  const slow = load(`${base}/slow`, { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 30);
  expect(await thrown(slow)).toBe(reason);
});

it("says which threads are at work where more were asked for", async () => {
  using model = await load(smallFile(), { threads: 4 });
  expect(model.features).toEqual({
    build: (await chooseBuild()).name,
    threads: 1,
    threadsReason: 'This entry starts no threads: import load from "eqm/threads".',
  });
});

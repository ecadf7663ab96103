// Chromium as a client of our server with permessage-deflate, on each of several
// terms: what is agreed on as both ends say it, and messages of JSON, noise and
// zeros that come back as they went.
import { equal, openTab, run, test } from "./support/browser.mjs";

const TERMS = {
  default: { server_no_context_takeover: true, client_no_context_takeover: true,
             server_max_window_bits: "12", client_max_window_bits: "12" },
  all: { server_no_context_takeover: true, client_no_context_takeover: true,
         server_max_window_bits: "12", client_max_window_bits: "12" },
  takeover: {},
  nine: { server_max_window_bits: "9", client_max_window_bits: "9" },
  eight: { server_max_window_bits: "8", client_max_window_bits: "8" },
};

// "name; a; b=1" as an object of its parameters.
function parameters(extensions) {
  const [name, ...rest] = extensions.split("; ");
  equal(name, "permessage-deflate", "extension");
  return Object.fromEntries(rest.map((word) => word.split("=")).map(([k, v]) => [k, v ?? true]));
}

const sorted = (object) => Object.fromEntries(Object.entries(object).sort());

// In the page: opens a connection; both ends' word for what was agreed on.
async function agreed(name) {
  const ws = new WebSocket(urls[name]);
  const said = await new Promise((resolve, reject) => {
    ws.onmessage = (event) => resolve(event.data);
    ws.onclose = (event) => reject(new Error("closed: " + event.code));
  });
  const own = ws.extensions;
  ws.close();
  return { own, said };
}

// In the page: sends `count` messages of a kind, up to `size` bytes, at once;
// how many come back the same, in order.
async function exchange([name, kind, count, size]) {
  const ws = new WebSocket(urls[name]);
  ws.binaryType = "arraybuffer";
  await new Promise((resolve) => { ws.onmessage = resolve; });    // what was agreed on
  let state = count;
  const draw = (n) => { state = state * 48271 % 2147483647; return state % n; };
  const make = {
    json: (n) => JSON.stringify(Array(Math.floor(n / 30)).fill({ id: draw(1000), name: "sö" })),
    random: (n) => Uint8Array.from({ length: n }, () => draw(256)),
    zeros: (n) => new Uint8Array(n),
  }[kind];
  const sent = Array.from({ length: count }, (_, i) => make(count === 1 ? size : i * i * 7 % size));
  let at = 0, same = 0;
  const equalTo = (data, message) => typeof message === "string" ? data === message
    : data.byteLength === message.length && new Uint8Array(data).every((byte, i) => byte === message[i]);
  await new Promise((resolve, reject) => {
    ws.onmessage = ({ data }) => {
      if (equalTo(data, sent[at++])) same++;
      if (at === count) resolve();
    };
    ws.onclose = (event) => reject(new Error("closed: " + event.code));
    for (const message of sent) ws.send(message);
  });
  ws.onclose = null;
  ws.close();
  return same;
}

// ── The story ─────────────────────────────────────────────────────────────
async function story(browser, server) {
  const page = await openTab(await browser.newContext(), server.url);

  for (const [name, expected] of Object.entries(TERMS)) {
    await test(`${name}: both ends agree`, async () => {
      const { own, said } = await page.evaluate(agreed, name);
      equal(own, said, "extensions");
      equal(sorted(parameters(own)), sorted(expected), "parameters");
    });

    for (const kind of ["json", "random", "zeros"]) {
      await test(`${name}: a thousand messages of ${kind}`, async () => {
        equal(await page.evaluate(exchange, [name, kind, 1000, 1500]), 1000, "the same");
      });

      await test(`${name}: a megabyte of ${kind}`, async () => {
        equal(await page.evaluate(exchange, [name, kind, 1, 1 << 20]), 1, "the same");
      });
    }
  }

  await test("a server without compression declines", async () => {
    equal(await page.evaluate(agreed, "none"), { own: "", said: "none" }, "extensions");
    equal(await page.evaluate(exchange, ["none", "json", 100, 1500]), 100, "the same");
  });
}

await run("compress", story, { script: "spec/browser/support/compress.lua" });

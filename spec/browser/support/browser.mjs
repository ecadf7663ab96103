// What the browser specs share: counting, an example as a process of its own,
// Chromium and its tabs.
import { execFileSync, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
const PATIENCE = 60000;    // ms; only a failure takes that long

async function playwright() {
  try {
    return await import("playwright-core");
  } catch (error) {
    const modules = process.env.WEBSOCK_NODE_MODULES;
    if (!modules) throw error;
    return createRequire(path.join(modules, "x.js"))("playwright-core");
  }
}

// ── Counting ──────────────────────────────────────────────────────────────
let passed = 0, failed = 0;

export async function test(name, body) {
  try {
    await body();
    passed++;
    console.log("ok   " + name);
  } catch (error) {
    failed++;
    console.log("FAIL " + name + "\n" + (error.stack || error));
  }
}

export function equal(actual, expected, what) {
  const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== e) throw new Error(`${what}: expected ${e}, got ${a}`);
}

// ── The server, a process of its own ──────────────────────────────────────
// A script and its arguments; its first line is "NAME on URL".
export async function start(name, port, script, more) {
  const child = spawn(path.join(ROOT, "scripts/lua"),
                      [path.join(ROOT, script), String(port), ...more],
                      { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  const gone = once(child, "exit").then(([code, signal]) => {
    throw new Error(`${name}.lua ended at once: ${code ?? signal}`);
  });
  const [line] = await Promise.race([once(lines, "line"), gone]);
  gone.catch(() => {});    // its later end is expected
  const [, said, url] = /^(\w+) on (https?:\S+)$/.exec(line) ?? [];
  if (said !== name) throw new Error("unexpected first line: " + line);
  return { name, child, url };
}

export async function stop({ name, child }) {
  if (child.exitCode !== null || child.signalCode) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const [code] = await ended;
  equal(code, 0, `exit status of ${name}.lua after SIGTERM`);
}

// ── A tab ─────────────────────────────────────────────────────────────────
export const problems = [];    // errors that pages report

export async function openTab(context, address) {
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => {
    // A lost connection is reported by the browser itself, and is meant here.
    const text = message.text();
    if (message.type() === "error" && !text.includes("WebSocket connection to")) {
      problems.push(text);
    }
  });
  await page.goto(address);
  return page;
}

// ── All of it ─────────────────────────────────────────────────────────────
// The arguments of an example that serves https, with a certificate that nobody
// has signed.
function certificate() {
  const folder = mkdtempSync(path.join(tmpdir(), "websock-"));
  execFileSync(path.join(ROOT, "scripts/certificate"), [folder]);
  process.on("exit", () => rmSync(folder, { recursive: true }));
  return ["127.0.0.1", path.join(folder, "cert.pem"), path.join(folder, "key.pem")];
}

// Runs story(browser, server, restart) while the server's script serves, and ends
// with its count.
async function tell(name, story, script, secure) {
  const { chromium } = await playwright();
  const more = secure ? certificate() : [];
  let server = await start(name, 0, script, more);
  let browser;
  try {
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking",
             ...(secure ? ["--ignore-certificate-errors"] : [])],
    });
    const port = new URL(server.url).port;
    await story(browser, server, {
      stop: () => stop(server),
      start: async () => { server = await start(name, port, script, more); },
    });
    await test("no page reported an error", async () => {
      equal(problems, [], "errors");
    });
  } finally {
    await browser?.close();
    await test("SIGTERM ends the server cleanly", () => stop(server));
    server.child.kill("SIGKILL");    // does nothing to one that has ended
  }
}

// Of examples/NAME.lua, unless another script is given; secure: over https.
export async function run(name, story, { script, secure } = {}) {
  try {
    await tell(name, story, script ?? `examples/${name}.lua`, secure);
  } catch (error) {
    failed++;
    console.log(error.stack || error);
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}

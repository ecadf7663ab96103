// The chat example in a real browser: two tabs in one room talk, a third in
// another room hears nothing, one leaves and the other sees it go; the server
// goes away, comes back on the same port, and the page finds it again. All of
// it is asserted in the page, where a user would look; over TLS too.
import { equal, openTab, run, test } from "./support/browser.mjs";

async function join(page, name) {
  await page.fill("#name", name);
  await page.press("#name", "Enter");
  await online(page);
}

const online = (page) => page.waitForSelector("#state[data-is=online]");
const texts = (page, selector) => page.locator(selector).allTextContents();

async function say(page, words) {
  await page.fill("#text", words);
  await page.press("#text", "Enter");
}

// Waits until the texts of what the selector finds are these.
async function becomes(page, selector, expected) {
  await page.waitForFunction(([where, wanted]) => {
    const found = [...document.querySelectorAll(where)];
    return JSON.stringify(found.map((e) => e.textContent)) === wanted;
  }, [selector, JSON.stringify(expected)]).catch(() => {});
  equal(await texts(page, selector), expected, selector);
}

const here = (page, names) => becomes(page, "#people li", names);
const said = (page, words) => becomes(page, ".said p", words);

// ── The story ─────────────────────────────────────────────────────────────
async function story(browser, chat, restart) {
  const context = await browser.newContext();
  const ada = await openTab(context, chat.url);
  const grace = await openTab(context, chat.url);
  const other = await openTab(context, chat.url + "?room=engine%20room");

  await test("a tab joins under its name and sees itself", async () => {
    await join(ada, "Ada");
    await here(ada, ["Ada (you)"]);
    equal(await ada.textContent("#room-name"), "lobby", "room");
  });

  await test("both tabs of a room see who is here", async () => {
    await join(grace, "Grace");
    await here(ada, ["Ada (you)", "Grace"]);
    await here(grace, ["Ada", "Grace (you)"]);
    await becomes(ada, ".note", ["Grace joined"]);
  });

  await test("a name already taken in the room is told apart", async () => {
    const second = await openTab(context, chat.url);
    await join(second, "Ada");
    await here(second, ["Ada", "Ada 2 (you)", "Grace"]);
    await second.close();
    await here(ada, ["Ada (you)", "Grace"]);
  });

  await test("the room comes from the address", async () => {
    await join(other, "Charles");
    equal(await other.textContent("#room-name"), "engine room", "room");
    await here(other, ["Charles (you)"]);
  });

  await test("messages go both ways, own ones set apart", async () => {
    await say(ada, "hello Grace");
    await said(grace, ["hello Grace"]);
    await say(grace, "hello Ada");
    await said(grace, ["hello Grace", "hello Ada"]);
    await said(ada, ["hello Grace", "hello Ada"]);
    await becomes(ada, ".said.own p", ["hello Grace"]);
    await becomes(ada, ".said:not(.own) p", ["hello Ada"]);
    await becomes(ada, ".said .by", ["You", "Grace"]);
    await becomes(grace, ".said .by", ["Ada", "You"]);
  });

  const odd = '<img src=x onerror="document.title=1"> \\t \\\\ & γειά 💬\nsecond\tline';
  await test("odd characters arrive as they were written, never as markup", async () => {
    await say(ada, odd);
    await said(grace, ["hello Grace", "hello Ada", odd]);
    equal(await grace.locator("#log img").count(), 0, "images in the log");
  });

  await test("Shift+Enter starts a new line and sends nothing", async () => {
    await ada.focus("#text");
    await ada.keyboard.type("one");
    await ada.keyboard.press("Shift+Enter");
    await ada.keyboard.type("two");
    equal(await ada.inputValue("#text"), "one\ntwo", "box");
    await ada.keyboard.press("Enter");
    await said(grace, ["hello Grace", "hello Ada", odd, "one\ntwo"]);
    await said(ada, ["hello Grace", "hello Ada", odd, "one\ntwo"]);
  });

  await test("another room hears none of it", async () => {
    await say(other, "anybody?");
    await said(other, ["anybody?"]);    // whatever came before would be here
    await said(ada, ["hello Grace", "hello Ada", odd, "one\ntwo"]);
  });

  await test("a newcomer gets the history", async () => {
    const late = await openTab(context, chat.url);
    await join(late, "Late");
    await here(late, ["Ada", "Grace", "Late (you)"]);
    await said(late, ["hello Grace", "hello Ada", odd, "one\ntwo"]);
    await late.close();
    await here(ada, ["Ada (you)", "Grace"]);
  });

  await test("one closes and the other sees it leave", async () => {
    await grace.close();
    await here(ada, ["Ada (you)"]);
    equal((await texts(ada, ".note")).at(-1), "Grace left", "last note");
  });

  await test("a lost server is shown, and found again when it is back", async () => {
    await restart.stop();
    await ada.waitForSelector("#state:not([data-is=online])");
    await restart.start();
    await online(ada);
    await here(ada, ["Ada (you)"]);
    await say(ada, "back again");
    await said(ada, ["back again"]);
  });

  await test("leaving gives the form back and leaves the room", async () => {
    await ada.click("#leave");
    await ada.waitForSelector("#door");
    const fresh = await openTab(context, chat.url);
    await join(fresh, "Fresh");
    await here(fresh, ["Fresh (you)"]);
  });
}

await run("chat", story);
await run("chat", story, { secure: true });    // all of it once more over https and wss

// The game example in a real browser: two tabs play, by keys and by finger; what
// one does is drawn in the other, between snapshots too; one leaves, the server
// goes and comes back. `shown` is what the page has drawn last, and the canvas
// is asked for the colours that are really there.
import { equal, openTab, run, test } from "./support/browser.mjs";

async function join(page, name) {
  await page.fill("#name", name);
  await page.press("#name", "Enter");
  await online(page);
  return page.evaluate("me");
}

const online = (page) => page.waitForSelector("#state[data-is=online]");

// The names in the list, in the order of their ids.
async function plays(page, names) {
  await page.waitForFunction((wanted) => {
    const rows = [...document.querySelectorAll("#players li")];
    rows.sort((a, b) => a.dataset.id - b.dataset.id);
    return JSON.stringify(rows.map((row) => row.textContent.replace(/^\d+ /, ""))) === wanted;
  }, JSON.stringify(names));
}

// Where this page draws this player, once it does.
async function place(page, id) {
  await page.waitForFunction((i) => shown?.players.has(i), id);
  return page.evaluate((i) => shown.players.get(i), id);
}

// Waits until the page draws the player that far from there, this way.
const reaches = (page, id, from, axis, way) =>
  page.waitForFunction(([i, start, a, w]) => {
    const player = shown?.players.get(i);
    return player && (player[a] - start) * w > 100;
  }, [id, from[axis], axis, way]);

// The colour in the middle of the player, and the one that it should have.
const colours = (page, id) => page.evaluate((i) => {
  draw();
  const { x, y } = shown.players.get(i);
  const middle = ctx.getTransform().transformPoint({ x, y });
  const drawn = [...ctx.getImageData(middle.x, middle.y, 1, 1).data];
  ctx.fillStyle = colour(i);
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.fillRect(0, 0, 4, 4);
  return [drawn, [...ctx.getImageData(1, 1, 1, 1).data]];
}, id);

// Draws the middle between the first two snapshots in a row that have the
// player in different places. The page's own frames may all come too late for
// that on a busy machine: the time is set, and nobody is waited for.
const drawBetween = (page, id) => page.evaluate((i) => {
  const arrives = keep;
  keep = (snapshot) => {
    arrives(snapshot);
    const [a, b] = snapshots.slice(-2), from = a.players.get(i).x, to = b.players.get(i).x;
    if (from === to) return;
    keep = arrives;
    const kept = ahead, late = now() + ahead - b.time;
    ahead = (a.time + b.time) / 2 + DELAY - now();
    draw();
    window.between = { a: from, b: to, drawn: shown.players.get(i).x, late };
    ahead = kept;
  };
}, id);

async function drag(page, dx, dy) {
  await page.mouse.move(200, 300);
  await page.mouse.down();
  await page.mouse.move(200 + dx, 300 + dy, { steps: 3 });
}

async function story(browser, game, restart) {
  const desk = await openTab(await browser.newContext(), game.url);
  const phone = await openTab(await browser.newContext({
    viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true,
  }), game.url);
  let ada, grace;

  await test("both tabs show who plays", async () => {
    ada = await join(desk, "Ada");
    grace = await join(phone, "Grace <b>");
    await plays(desk, ["Ada (you)", "Grace <b>"]);
    await plays(phone, ["Ada", "Grace <b> (you)"]);
  });

  await test("the round trip is measured", async () => {
    await desk.waitForFunction(() => /^\d+ ms$/.test(
      document.getElementById("round-trip").textContent));
  });

  await test("players are drawn in their colours", async () => {
    await place(desk, grace);
    const [drawn, wanted] = await colours(desk, grace);
    equal(drawn, wanted, "colour");
  });

  await test("a key moves the player, in both tabs", async () => {
    const from = await place(desk, ada), right = from.x < 800;
    await desk.keyboard.down(right ? "ArrowRight" : "KeyA");
    await reaches(phone, ada, from, "x", right ? 1 : -1);
    await reaches(desk, ada, from, "x", right ? 1 : -1);
  });

  await test("a window that is left lets go of the keys", async () => {
    await desk.evaluate(() => dispatchEvent(new Event("blur")));
    await desk.waitForFunction((id) => {
      const [a, b] = snapshots.slice(-2).map((s) => s.players.get(id));
      return held === 0 && a.x === b.x;
    }, ada);
  });

  await test("a finger moves the player, in both tabs", async () => {
    const from = await place(phone, grace), down = from.y < 450;
    await drag(phone, 0, down ? 60 : -60);
    await reaches(desk, grace, from, "y", down ? 1 : -1);
    await phone.mouse.up();
  });

  await test("what is drawn lies between snapshots", async () => {
    await drawBetween(desk, ada);
    const from = await place(desk, ada), key = from.x < 800 ? "KeyD" : "ArrowLeft";
    await desk.keyboard.down(key);
    await desk.waitForFunction(() => window.between);
    await desk.keyboard.up(key);
    const { a, b, drawn, late } = await desk.evaluate("between");
    equal(drawn > Math.min(a, b) && drawn < Math.max(a, b), true, `${a}, ${drawn}, ${b}`);
    equal(late > -1e-6, true, `the clock is ${-late} s behind the last snapshot`);
  });

  await test("one leaves, and the other sees it go", async () => {
    await phone.close();
    await plays(desk, ["Ada (you)"]);
    await desk.waitForFunction((id) => !shown.players.has(id), grace);
  });

  await test("a lost server is shown, and found again when it is back", async () => {
    await restart.stop();
    await desk.waitForSelector("#state:not([data-is=online])");
    await restart.start();
    await online(desk);
    await plays(desk, ["Ada (you)"]);
    const id = await desk.evaluate("me"), from = await place(desk, id);
    await desk.keyboard.down(from.y < 450 ? "ArrowDown" : "ArrowUp");
    await reaches(desk, id, from, "y", from.y < 450 ? 1 : -1);
  });
}

await run("game", story);

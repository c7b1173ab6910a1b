// L3, shown only while a hand holds it: a pointer on the stage or on its button, or Space with the
// focus on either. It is gone when the hand lets go, when the time of a look is over, and when the
// page is left, locked or hidden. Assistive technology that can only press starts and ends it by a
// press. The server counts the time until another look anew; what is said here is for the eye.

const DELIBERATE = 300; // ms: a shorter press asks for nothing
const TICK = 100;

let held = null; // the look under way: { how, form, frame, ... }
let lowering = false; // to the outline, for a look of ours
let waitEnds = 0;
let waitClock = 0;

const holdForm = () => document.querySelector("[data-hold]");
const stageFrame = () => document.querySelector("[data-stage-frame]");

function say(text) {
  const line = document.querySelector("[data-hold-said]");
  if (line) line.textContent = text;
}

function waiting() {
  return Math.max(0, Math.ceil((waitEnds - performance.now()) / 1000));
}

function rest(seconds) {
  waitEnds = performance.now() + seconds * 1000;
  clearInterval(waitClock);
  const shown = () => {
    const button = document.querySelector("[data-hold-button]");
    const left = waiting();
    button?.setAttribute("aria-disabled", String(left > 0));
    const hint = button?.querySelector("kbd");
    if (hint) hint.textContent = left ? `in ${left} s` : "hold Space";
    if (!left) clearInterval(waitClock);
  };
  waitClock = setInterval(shown, 1000);
  shown();
}

function begin(how) {
  const form = holdForm();
  if (!form || held || document.querySelector("dialog[open]")) return;
  if (waiting()) {
    say(`Another look at L3 is possible in ${waiting()} seconds.`);
    return;
  }
  held = { how, form, frame: stageFrame(), asking: new AbortController() };
  held.delay = setTimeout(() => ask(held), how === "press" ? 0 : DELIBERATE);
}

async function ask(look) {
  try {
    const answer = await fetch(look.form.action, {
      method: "POST",
      body: new FormData(look.form),
      headers: { Accept: "application/json" },
      signal: look.asking.signal,
    });
    if (held !== look) return;
    const said = answer.ok || answer.status === 409 ? await answer.json() : null;
    if (held !== look) return;
    if (said?.meter) document.querySelector("#exposure-meter").outerHTML = said.meter;
    if (said?.address) show(look, said.address);
    else end(said?.refused ?? "This look was not possible. Load the page again.", said?.wait);
  } catch (error) {
    if (error.name !== "AbortError") end("No connection. Nothing was shown.");
  }
}

function show(look, address) {
  lowering = true;
  window.dispatchEvent(new Event("breakwater:hide-previews")); // from here on the outline stands below
  lowering = false;
  const picture = document.createElement("img");
  picture.className = "stage-picture";
  picture.alt = "Preview, level L3: a grey copy, blurred";
  picture.referrerPolicy = "no-referrer";
  picture.draggable = false;
  picture.dataset.held = "";
  picture.addEventListener("load", () => held === look && run(look));
  picture.addEventListener("error", () => held === look && end("The preview could not be opened."));
  look.picture = picture;
  picture.src = address;
  look.frame.querySelector("[data-outline]").hidden = true;
  look.frame.prepend(picture);
}

function run(look) {
  const seconds = Number(look.form.dataset.seconds);
  const bar = look.form.querySelector("[data-hold-left]");
  const ends = performance.now() + seconds * 1000;
  bar.hidden = false;
  bar.value = seconds;
  look.form.querySelector("[data-hold-button]").setAttribute("aria-pressed", "true");
  document.querySelector("[data-stage]").dataset.level = "3";
  say("L3 is shown.");
  look.clock = setInterval(() => {
    const left = (ends - performance.now()) / 1000;
    bar.value = Math.max(0, left);
    if (left <= 0) end("");
  }, TICK);
  look.whole = seconds + Number(look.form.dataset.pause);
  look.began = performance.now();
}

function end(words, wait) {
  const look = held;
  if (!look) return;
  held = null;
  clearTimeout(look.delay);
  clearInterval(look.clock);
  look.asking.abort();
  look.picture?.remove();
  const form = holdForm();
  if (look.picture) {
    look.frame.querySelector("[data-outline]").hidden = false;
    document.querySelector("[data-stage]").dataset.level = "0";
  }
  form?.querySelector("[data-hold-button]").setAttribute("aria-pressed", "false");
  form?.querySelector("[data-hold-left]").setAttribute("hidden", "");
  if (look.began) rest(look.whole - (performance.now() - look.began) / 1000);
  else if (wait) rest(wait);
  if (words) say(words);
  else if (look.began) say(`L3 is gone. Another look is possible in ${waiting()} seconds.`);
}

function letGo(how) {
  if (held?.how === how) end("");
}

const onHold = (target) => target.closest?.("[data-hold-button], [data-stage-frame]");

document.addEventListener("pointerdown", (event) => {
  if (event.button === 0 && event.isPrimary && onHold(event.target)) begin("pointer");
});
for (const name of ["pointerup", "pointercancel"]) {
  window.addEventListener(name, () => letGo("pointer"));
}

document.addEventListener("keydown", (event) => {
  if (event.key !== " " || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  if (!holdForm() || !onHold(event.target)) return;
  event.preventDefault(); // the page does not scroll, and the button is not pressed besides
  if (event.repeat || document.documentElement.dataset.keys !== "ready") return;
  begin("key");
});
document.addEventListener("keyup", (event) => {
  if (event.key !== " ") return;
  if (onHold(event.target)) event.preventDefault();
  letGo("key");
});

document.addEventListener("click", (event) => {
  if (event.detail !== 0 || !event.target.closest("[data-hold-button]")) return;
  if (held) letGo("press");
  else begin("press");
});

document.addEventListener("focusout", (event) => {
  if (held && held.how !== "pointer" && onHold(event.target)) end("");
});
window.addEventListener("blur", () => end(""));
window.addEventListener("pagehide", () => end(""));
window.addEventListener("breakwater:lock", () => end(""));
window.addEventListener("breakwater:hide-previews", () => lowering || end(""));
document.addEventListener("visibilitychange", () => {
  if (document.hidden) end("");
});
document.addEventListener("contextmenu", (event) => {
  if (event.target.closest("[data-hold-button], [data-stage-frame]")) event.preventDefault();
});

// The stage can have the focus only where there is something to hold; anew when it is replaced.
function prepare() {
  const form = holdForm();
  const frame = stageFrame();
  if (!form || !frame || frame.tabIndex === 0) return;
  form.hidden = false;
  document.querySelector("[data-without-scripts]").hidden = true;
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", "Stage. Hold Space here to look at L3.");
  frame.classList.add("stage-holds");
  const wait = Math.max(Number(form.dataset.wait), waiting());
  if (wait) rest(wait);
}

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id === "preview") end("");
});
document.addEventListener("htmx:afterSwap", prepare);
prepare();

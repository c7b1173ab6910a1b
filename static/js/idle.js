// Where nobody is at work the page locks: it is covered, the server locks the session, and only the
// password opens both again. What was typed stays in the page. Input in one tab counts for all.

const lock = document.querySelector("[data-lock]");
const SAY_EVERY = 30_000;
const LOOK_EVERY = 1_000;

const idle = Number(lock.dataset.idle) * 1000;
const wrong = lock.querySelector("[data-lock-wrong]");
const form = lock.querySelector("form");
const tabs = new BroadcastChannel("breakwater-lock");
let worked = Date.now();
let said = Date.now();

function post(address, body) {
  return fetch(address, {
    method: "POST",
    body: body ?? new FormData(form),
    headers: { Accept: "application/json" },
  });
}

function close() {
  if (lock.open) return;
  document.documentElement.classList.add("locked");
  window.dispatchEvent(new Event("breakwater:lock"));
  lock.showModal();
  lock.querySelector("input[type=password]").focus();
}

function open() {
  worked = said = Date.now();
  form.reset();
  wrong.hidden = true;
  document.documentElement.classList.remove("locked");
  if (lock.open) lock.close();
}

async function say() {
  said = Date.now();
  try {
    const answer = await post(lock.dataset.atWork);
    if (answer.status === 401) close();
  } catch {
    // no connection: said again with the next input
  }
}

async function lockAll() {
  close();
  tabs.postMessage("lock");
  try {
    await post(lock.dataset.lockAt);
  } catch {
    // no connection: the server locks by its own clock
  }
}

function input() {
  if (lock.open) return;
  worked = Date.now();
  tabs.postMessage("input");
}

function look() {
  if (lock.open) return;
  if (Date.now() - worked >= idle) lockAll();
  else if (worked > said && Date.now() - said >= SAY_EVERY) say();
}

for (const name of ["keydown", "pointerdown", "wheel"]) {
  document.addEventListener(name, input, { passive: true });
}
tabs.addEventListener("message", ({ data }) => {
  if (data === "lock") close();
  else if (data === "open") open();
  else if (!lock.open) worked = said = Date.now();
});
window.addEventListener("breakwater:locked", close); // the server said so to another script
document.addEventListener("visibilitychange", look); // a tab that slept has no clock of its own
setInterval(look, LOOK_EVERY);

lock.addEventListener("cancel", (event) => event.preventDefault());
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  event.stopPropagation();
  const answer = await post(form.action).catch(() => null);
  if (answer?.ok) {
    tabs.postMessage("open");
    open();
    return;
  }
  if (answer?.redirected || answer?.status === 404) location.reload();
  wrong.textContent = !answer
    ? "No connection. Try again."
    : answer.status === 429
      ? "Too many attempts. Wait a quarter of an hour, or log out."
      : "That is not your password. Try again.";
  wrong.hidden = false;
  form.elements.password.select();
});

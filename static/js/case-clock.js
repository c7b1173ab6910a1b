// Two clocks: how long the case is still this person's, and how long an answer can be undone.
// The lease is renewed every 30 s while the page is visible and somebody works in it. What is being
// written is kept whenever they pause, and when the page is left: the log-in may end at any moment.

const EVERY = 30_000;
const PAUSE = 1_500;
const WORKED = 5 * 60_000;
const WARN = 120;
const SETTLED = 3000; // ms, so that the worker has done what the answer does

function words(seconds) {
  const left = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(left / 60);
  return minutes ? `${minutes} min ${String(left % 60).padStart(2, "0")} s` : `${left} s`;
}

function hidePreviews() {
  window.dispatchEvent(new Event("breakwater:hide-previews"));
}

const DRAFT = ["answer", "harm_class", "duplicate_of", "reason"];

function withDraft(form) {
  const body = new FormData(form);
  const answer = document.querySelector("[data-answer]");
  for (const [name, value] of answer ? new FormData(answer) : []) {
    if (DRAFT.includes(name)) body.set(name, value);
  }
  return body;
}

function asText(body) {
  return JSON.stringify(DRAFT.map((name) => body.get(name)));
}

function lease(form) {
  const shown = form.querySelector("[data-lease-left]");
  const warning = document.querySelector("[data-lease-warning]");
  const over = document.querySelector("[data-lease-over]");
  const loggedOut = document.querySelector("[data-logged-out]");
  let ends = performance.now() + Number(form.dataset.lease) * 1000;
  let worked = performance.now();
  let ended = false;
  let sending = false; // a form takes along what was written, or makes it needless
  let kept = asText(withDraft(form));
  let pause = 0;

  const end = () => {
    ended = true;
    ends = performance.now();
  };
  const tick = () => {
    const left = (ends - performance.now()) / 1000;
    shown.textContent = words(left);
    if (warning) warning.hidden = ended || left > WARN || left <= 0;
    if (left <= 0) hidePreviews();
    if (over) over.hidden = left > 0;
  };
  // What is old in this tab may be newer in another one: only what was written here goes along.
  const withNew = () => {
    const body = withDraft(form);
    return asText(body) === kept ? new FormData(form) : body;
  };
  // Locked elsewhere, or no longer logged in: said at once, while what was written is on the page.
  const heard = (answer) => {
    if (answer.status === 401) window.dispatchEvent(new Event("breakwater:locked"));
    if (loggedOut) loggedOut.hidden = !(answer.redirected || answer.status === 403);
    if (answer.status === 409 || answer.status === 404) end();
    // Whoever is refused, for their role, their grant or their log-in, sees no picture either.
    if (answer.redirected || (answer.status >= 400 && answer.status < 500)) hidePreviews();
    return answer.ok && !answer.redirected;
  };
  const keep = async () => {
    clearTimeout(pause);
    const body = withDraft(form);
    const written = asText(body);
    if (ended || sending || written === kept) return;
    kept = written;
    const headers = { Accept: "application/json" };
    const sent = { method: "POST", body, headers, keepalive: true };
    const answer = await fetch(form.action, sent).catch(() => null);
    if (!answer || !heard(answer)) kept = "";
    tick();
  };
  const renew = async () => {
    if (ended || document.hidden || performance.now() - worked > WORKED) return;
    const written = asText(withDraft(form));
    const body = withNew();
    try {
      const headers = { Accept: "application/json" };
      const answer = await fetch(form.action, { method: "POST", body, headers });
      if (heard(answer)) {
        const said = await answer.json();
        kept = written;
        ends = performance.now() + said.seconds_left * 1000;
        // A grant or the legal basis may have ended while a look is open.
        const stage = document.querySelector("[data-stage]");
        if (Number(stage?.dataset.level) > said.level) hidePreviews();
      }
    } catch {
      // no connection: the countdown goes on, the next attempt comes in half a minute
    }
    tick();
  };

  for (const name of ["keydown", "pointerdown", "scroll"]) {
    document.addEventListener(name, () => { worked = performance.now(); }, { passive: true });
  }
  document.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(keep, PAUSE);
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? keep() : renew()));
  window.addEventListener("submit", (event) => {
    if (!event.defaultPrevented) sending = true;
  });
  window.addEventListener("pagehide", keep);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    worked = performance.now();
    renew();
  });
  setInterval(tick, 1000);
  setInterval(renew, EVERY);
  tick();
}

function undo(form) {
  const shown = form.querySelector("[data-undo-left]");
  const ends = performance.now() + (Number(form.dataset.until) - Number(form.dataset.now)) * 1000;
  const tick = () => {
    const left = (ends - performance.now()) / 1000;
    shown.textContent = `(${words(left)})`;
    if (left > 0) return;
    clearInterval(clock);
    form.remove();
    // The page of the case itself goes on to what came of it; what is written elsewhere on it stays.
    const written = [...document.querySelectorAll("textarea")].some((field) => field.value.trim());
    if ("here" in form.dataset && !written) setTimeout(() => location.reload(), SETTLED);
  };
  const clock = setInterval(tick, 1000);
  tick();
}

for (const form of document.querySelectorAll("[data-lease]")) lease(form);
for (const form of document.querySelectorAll("[data-undo]")) undo(form);

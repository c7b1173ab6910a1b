// Keys of the queue and the case page, beside those of every page (keys.js), which says when a page
// listens. Deaf while somebody types, while a key repeats, and in dialogs.

const one = (selector) => document.querySelector(selector);

function typing(target) {
  return target.isContentEditable || ["TEXTAREA", "SELECT"].includes(target.tagName)
    || (target.tagName === "INPUT" && !["radio", "checkbox", "button", "submit"].includes(target.type));
}

function confirm_(button) {
  if (!button) return false;
  button.form.requestSubmit(button);
  return true;
}

function choose(digit) {
  const answer = one(`[data-digit="${digit}"]:not(:disabled)`);
  if (!answer) return false;
  answer.checked = true;
  answer.focus();
  answer.dispatchEvent(new Event("change", { bubbles: true })); // may bring the reason into sight
  return true;
}

function press(selector) {
  const found = one(selector);
  found?.click();
  return Boolean(found);
}

function look(selector) {
  const found = one(selector);
  found?.focus();
  return Boolean(found);
}

function raise() {
  const stage = one("[data-stage]");
  const now = Number(stage?.dataset.level ?? 0);
  const above = [...document.querySelectorAll("[data-raise]")]
    .filter((form) => Number(form.dataset.raise) > now);
  const next = above.filter((form) => form.dataset.raise === above[0].dataset.raise)
    .sort((one_, other) => ("first" in other.dataset) - ("first" in one_.dataset))[0];
  next?.requestSubmit();
  return Boolean(next);
}

function draw() {
  const stage = one("[data-stage]");
  const drawn = one("[data-drawing] [aria-current]");
  const next = drawn && stage.dataset.level === "2" ? one("[data-raise='2']:not([data-drawing])") : one("[data-drawing]");
  next?.requestSubmit();
  return Boolean(next);
}

function open_(name) {
  const aside = one(`[data-aside="${name}"]`);
  if (!aside) return false;
  aside.open = true;
  aside.querySelector("select, textarea").focus();
  return true;
}

document.addEventListener("toggle", (event) => {
  if (event.target.matches?.("[data-aside][open]")) event.target.scrollIntoView({ block: "nearest" });
}, true);

function close_(aside) {
  aside.open = false;
  aside.querySelector("summary").focus();
}

function act(event) {
  const key = event.key;
  if (event.shiftKey && key === "Enter") return confirm_(one("[data-stay]"));
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  if (key.length === 1 && document.documentElement.dataset.letters === "off") return false;
  if (event.shiftKey && key === "V") return press("[data-lower]");
  if (event.shiftKey && key === "N") return press("[data-not-for-me]");
  if (event.shiftKey) return false;
  if (key === "h") return open_("hold");
  if (key === "u") return open_("hand-over");
  if (key === "n") return open_("skip");
  if (/^[1-8]$/.test(key)) return choose(key);
  if (key === "e") return choose("7");
  if (key === "a") return look("[data-round]");
  if (key === "v") return raise();
  if (key === "d") return draw();
  if (key === "z") return press("[data-undo] button");
  if (key === "Enter" && event.target === document.body) return press("[data-key='Enter']");
  if (key === "r") {
    const reason = one("[data-answer] textarea");
    reason?.focus();
    return Boolean(reason);
  }
  return false;
}

document.addEventListener("keydown", (event) => {
  if (document.documentElement.dataset.keys !== "ready" || event.defaultPrevented) return;
  if (event.repeat || event.isComposing || one("dialog[open]")) return;
  const aside = event.target.closest?.("[data-aside][open]");
  if (event.key === "Escape" && aside) {
    close_(aside);
    return;
  }
  const ours = event.target.matches?.("[data-answer] textarea, [data-answer] select");
  const send = event.key === "Enter" && (event.ctrlKey || event.metaKey);
  if (send && (ours || !typing(event.target))) {
    if (confirm_(one("[data-next]"))) event.preventDefault();
    return;
  }
  if (typing(event.target)) return;
  if (act(event)) event.preventDefault();
});

// A part of a page that is asked for by itself: after a moment it says that it is loading, and when
// no answer comes it says so and offers to try again. When the log-in has run out the whole page is
// loaded, so that no log-in form appears inside a panel. Parts with data-poll speak for themselves.

const LATE = 400; // before "loading" is said: a quick answer needs no words
const notes = new WeakMap();

function target(event) {
  const asked = event.detail.elt;
  return asked?.closest("[data-poll]") ? null : event.detail.target;
}

function note(part, role, text) {
  clear(part);
  const made = document.createElement("div");
  made.className = `fragment-note message${role === "alert" ? " message-error" : ""}`;
  made.setAttribute("role", role);
  made.append(Object.assign(document.createElement("p"), { textContent: text }));
  part.append(made);
  notes.set(part, made);
  return made;
}

function clear(part) {
  notes.get(part)?.remove();
  notes.delete(part);
}

document.addEventListener("htmx:beforeRequest", (event) => {
  const part = target(event);
  if (!part) return;
  clear(part);
  part.setAttribute("aria-busy", "true");
  setTimeout(() => {
    if (part.getAttribute("aria-busy")) note(part, "status", "Loading…");
  }, LATE);
});

document.addEventListener("htmx:afterRequest", (event) => {
  const part = target(event);
  if (!part) return;
  part.removeAttribute("aria-busy");
  if (event.detail.successful || !event.detail.failed) clear(part);
});

function failed(event) {
  const part = target(event);
  if (!part) return;
  const form = event.detail.elt;
  const status = event.detail.xhr?.status;
  const refused = status >= 400 && status < 500;
  const said = note(
    part,
    "alert",
    refused
      ? "That was refused. Load the page anew: the case may have changed meanwhile."
      : "No answer from the server. Nothing is lost here.",
  );
  const again = document.createElement("button");
  again.type = "button";
  again.className = "btn btn-sm";
  again.textContent = refused ? "Load the page anew" : "Try again";
  again.addEventListener("click", () => {
    if (refused) location.reload();
    else if (form instanceof HTMLFormElement) form.requestSubmit();
    else window.htmx.trigger(form, "click");
  });
  said.append(again);
}

for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => setTimeout(() => failed(event)));
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const asked = event.detail.requestConfig?.path.split("?")[0];
  const answered = new URL(event.detail.xhr.responseURL || location.href).pathname;
  if (asked && answered !== asked) {
    event.detail.shouldSwap = false;
    location.reload();
  }
});
